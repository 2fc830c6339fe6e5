//! A TCP proxy before a PostgreSQL server that cuts a connection at one of the requests that go through it.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use diesel::{Connection as _, PgConnection, connection::SimpleConnection as _};

/// How a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The server is told what was asked and carries it out; the client hears nothing any more.
    AnswerLost,
    /// The server is not told.
    RequestLost,
    /// The server's own process for this connection is ended by an administrator before it is told.
    BackendEnded,
}

/// What is still to happen.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// How many requests pass before.
    left: usize,
    cut: Cut,
    /// Whether commits alone are counted.
    commits: bool,
}

/// A proxy on a port of its own. Its threads end with the process.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    plan: Arc<Mutex<Option<Plan>>>,
}

/// The server behind a proxy.
#[derive(Clone, Debug)]
struct Server {
    port: u16,
    /// How an administrator reaches it.
    url: String,
}

impl Proxy {
    /// Before the server on this port of this machine, which this URL reaches too; it cuts nothing yet.
    #[must_use]
    pub fn start(port: u16, url: &str) -> Self {
        let server = Server { port, url: url.to_owned() };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let plan = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&plan);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (plan, server) = (Arc::clone(&shared), server.clone());
                thread::spawn(move || carry(&client.unwrap(), &server, &plan));
            }
        });
        Self { port, plan }
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts at the request that comes after so many others, whichever connection that is on.
    pub fn cut_after(&self, others: usize, cut: Cut) {
        *self.plan.lock().unwrap() = Some(Plan { left: others, cut, commits: false });
    }

    /// Loses the answer to the commit that comes after so many others.
    pub fn lose_the_commit_after(&self, others: usize) {
        *self.plan.lock().unwrap() = Some(Plan { left: others, cut: Cut::AnswerLost, commits: true });
    }

    /// Takes back what it was told to do, and says whether it has done it.
    #[must_use]
    pub fn has_cut(&self) -> bool {
        self.plan.lock().unwrap().take().is_none()
    }
}

/// Whether to cut at this request.
fn cut_at(plan: &Mutex<Option<Plan>>, request: &[u8]) -> Option<Cut> {
    let mut plan = plan.lock().unwrap();
    let Plan { left, cut, commits } = (*plan)?;
    if commits && !request.windows(COMMIT.len()).any(|window| window == COMMIT) {
        return None;
    }
    if left > 0 {
        *plan = Some(Plan { left: left - 1, cut, commits });
        return None;
    }
    *plan = None;
    Some(cut)
}

/// Carries what one client says and is answered.
fn carry(client: &TcpStream, server: &Server, plan: &Mutex<Option<Plan>>) {
    // A server that is down takes no connection, and neither does this.
    let Ok(upstream) = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port)) else { return };
    let end = |stream: &TcpStream| stream.shutdown(Shutdown::Both).ok();
    thread::scope(|scope| {
        scope.spawn(|| {
            copy(&upstream, client, |_| Next::Pass);
            end(client);
        });
        copy(client, &upstream, |request| match cut_at(plan, request) {
            None => Next::Pass,
            Some(Cut::AnswerLost) => {
                // The client hears nothing any more; the server is still told.
                end(client);
                Next::PassAndEnd
            }
            Some(Cut::RequestLost) => {
                end(client);
                Next::End
            }
            Some(Cut::BackendEnded) => {
                end_backend(server, upstream.local_addr().unwrap().port());
                Next::Pass
            }
        });
        // Where the client has gone in silence, the server still carries out what it was told before it sees the end.
        upstream.shutdown(Shutdown::Write).ok();
    });
}

/// Ends the server's process for the connection that comes from this port, and waits until it is gone.
fn end_backend(server: &Server, port: u16) {
    let mut admin = PgConnection::establish(&server.url).unwrap();
    let ended = format!(
        "DO $$ BEGIN
            PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_port = {port};
            WHILE EXISTS (SELECT FROM pg_stat_activity WHERE client_port = {port}) LOOP
                PERFORM pg_sleep(0.001), pg_stat_clear_snapshot();
            END LOOP;
        END $$"
    );
    admin.batch_execute(&ended).unwrap();
}

/// What becomes of a piece.
enum Next {
    Pass,
    PassAndEnd,
    End,
}

/// Copies until the end, or until `next`, which sees each piece before it is passed on, says so.
fn copy(mut from: &TcpStream, mut to: &TcpStream, mut next: impl FnMut(&[u8]) -> Next) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let piece = buffer.get(..count).unwrap();
        let next = next(piece);
        if matches!(next, Next::End) || to.write_all(piece).is_err() || matches!(next, Next::PassAndEnd) {
            return;
        }
    }
}

/// What a client sends to commit: a simple query, which ends with a zero.
const COMMIT: &[u8] = b"COMMIT\0";
