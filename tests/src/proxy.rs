//! A TCP proxy before a PostgreSQL server that loses the answer to one COMMIT: it is carried out, and nobody is told.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    thread,
};

/// A proxy on a port of its own. Its threads end with the process.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    commits_left: Arc<AtomicI64>,
}

impl Proxy {
    /// Before the server on this port of this machine; it loses nothing yet.
    #[must_use]
    pub fn start(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let commits_left = Arc::new(AtomicI64::new(i64::MAX));
        let left = Arc::clone(&commits_left);
        thread::spawn(move || {
            for client in listener.incoming() {
                let left = Arc::clone(&left);
                thread::spawn(move || carry(&client.unwrap(), server, &left));
            }
        });
        Self { port, commits_left }
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Loses the answer to the commit that comes after so many others.
    pub fn lose_the_commit_after(&self, others: i64) {
        self.commits_left.store(others, Ordering::SeqCst);
    }

    /// Whether it has lost one since it was told to.
    #[must_use]
    pub fn has_lost_one(&self) -> bool {
        self.commits_left.load(Ordering::SeqCst) < 0
    }
}

/// Carries what one client says and is answered.
fn carry(client: &TcpStream, server: u16, commits_left: &AtomicI64) {
    // A server that is down takes no connection, and neither does this.
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)) else { return };
    let end = |stream: &TcpStream| stream.shutdown(Shutdown::Both).ok();
    thread::scope(|scope| {
        scope.spawn(|| {
            copy(&server, client, |_| true);
            end(client);
        });
        copy(client, &server, |sent| {
            if !sent.windows(COMMIT.len()).any(|window| window == COMMIT) {
                return true;
            }
            let lost = commits_left.fetch_sub(1, Ordering::SeqCst) == 0;
            if lost {
                // The client hears nothing any more; the server is still told.
                end(client);
            }
            !lost
        });
        // Where the client has gone in silence, the server still carries out what it was told before it sees the end.
        server.shutdown(Shutdown::Write).ok();
    });
}

/// Copies until the end, or until `go_on`, which sees each piece before it is passed on, says so; that piece is still
/// passed on.
fn copy(mut from: &TcpStream, mut to: &TcpStream, mut go_on: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let piece = buffer.get(..count).unwrap();
        let last = !go_on(piece);
        if to.write_all(piece).is_err() || last {
            return;
        }
    }
}

/// What a client sends to commit: a simple query, which ends with a zero.
const COMMIT: &[u8] = b"COMMIT\0";
