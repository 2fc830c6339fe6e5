//! A TCP proxy before the server that cuts the connection around a COMMIT.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// Where the connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The COMMIT never reaches the server.
    BeforeCommit,
    /// It does, the server answers, and the answer never comes.
    AfterCommit,
    /// As `AfterCommit`, and nobody connects again.
    ForGood,
}

/// What the next COMMIT meets.
#[derive(Debug, Default)]
struct State {
    next: Option<Cut>,
    has_cut: bool,
    is_closed: bool,
}

/// A proxy. Its threads end with the connections.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    pub(crate) fn to(url: &str) -> Self {
        let (before, rest) = url.split_once("://").unwrap();
        let (authority, path) = rest.split_once('/').unwrap();
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        // A URL of a socket names its folder in a parameter; libpq then gets the proxy's host over it.
        let server = Server::of(host, path);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        let at = if user.is_empty() { "" } else { "@" };
        let parameters = server.user.as_ref().map(|user| format!("?user={user}")).unwrap_or_default();
        let url = format!("{before}://{user}{at}{address}/{path}{parameters}");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                if shared.lock().unwrap().is_closed {
                    return;
                }
                let (state, address) = (Arc::clone(&shared), server.address.clone());
                thread::spawn(move || serve(client, &address, &state));
            }
        });
        Self { url, state }
    }

    pub(crate) fn cut_once(&self, cut: Cut) {
        self.state.lock().unwrap().next = Some(cut);
    }

    pub(crate) fn has_cut(&self) -> bool {
        self.state.lock().unwrap().has_cut
    }
}

/// Where the server listens over TCP.
struct Server {
    address: String,
    user: Option<String>,
}

impl Server {
    fn of(host: &str, path: &str) -> Self {
        let parameter = |name: &str| {
            let query = path.split_once('?').map_or("", |(_, query)| query);
            query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
        };
        let (name, port) =
            host.rsplit_once(':').map_or((host, None), |(name, port)| (name, Some(port.to_owned())));
        let port = port.or_else(|| parameter("port")).unwrap_or_else(|| "5432".into());
        let name = if name.is_empty() { "127.0.0.1" } else { name };
        Self { address: format!("{name}:{port}"), user: parameter("user") }
    }
}

fn serve(mut client: TcpStream, server: &str, state: &Mutex<State>) {
    let mut server = TcpStream::connect(server).unwrap();
    let (mut from_server, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let is_deaf = Arc::new(Mutex::new(false));
    let deaf = Arc::clone(&is_deaf);
    let answers = thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(n @ 1..) = from_server.read(&mut buffer) {
            if *deaf.lock().unwrap() {
                // The answer to the COMMIT has come, and goes no further.
                return;
            }
            if to_client.write_all(&buffer[..n]).is_err() {
                return;
            }
        }
    });
    let mut buffer = [0; 8192];
    while let Ok(n @ 1..) = client.read(&mut buffer) {
        let is_commit = buffer[..n].windows(7).any(|bytes| bytes == b"COMMIT\0");
        let cut = if is_commit { state.lock().unwrap().next.take() } else { None };
        if let Some(cut) = cut {
            let mut state = state.lock().unwrap();
            state.has_cut = true;
            state.is_closed = cut == Cut::ForGood;
            if cut != Cut::BeforeCommit {
                *is_deaf.lock().unwrap() = true;
                server.write_all(&buffer[..n]).unwrap();
                answers.join().unwrap();
            }
            drop((server.shutdown(Shutdown::Both), client.shutdown(Shutdown::Both)));
            return;
        }
        if server.write_all(&buffer[..n]).is_err() {
            return;
        }
    }
    drop(server.shutdown(Shutdown::Both));
}
