//! Where alerts are sent to: a server in this process that speaks as the messenger does, and refuses one now and then.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// It listens until the run is over.
#[derive(Debug)]
pub struct Chat {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// How the next ones are answered that are not accepted.
    to_refuse: Vec<Refusal>,
    refused: usize,
    /// The jobs that were told of, as the messages name them.
    told: Vec<String>,
}

/// A way of not accepting a message.
#[derive(Clone, Copy, Debug)]
pub enum Refusal {
    /// The connection is closed without an answer.
    Silence,
    /// The server says that it has failed.
    Failure,
    /// The server asks to be left alone for a second.
    Later,
    /// What is answered is no answer.
    Nonsense,
}

impl Chat {
    pub fn open() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let chat = Self { port: listener.local_addr().unwrap().port(), state: Arc::default() };
        let state = Arc::clone(&chat.state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Whoever sends may be killed meanwhile.
                answer(&stream, &state).ok();
            }
        });
        chat
    }

    /// What is written in `reaper.toml`.
    pub fn configuration(&self) -> String {
        format!(
            "[notify.telegram]\ntoken = \"1:chaos\"\nchat_id = \"-1\"\nbase_url = \"http://127.0.0.1:{}\"",
            self.port
        )
    }

    /// Does not accept the next one.
    pub fn refuse_next(&self, how: Refusal) {
        let mut state = self.state.lock().unwrap();
        if state.to_refuse.is_empty() {
            state.to_refuse.push(how);
        }
    }

    /// Accepts all that comes from now on.
    pub fn calm_down(&self) {
        self.state.lock().unwrap().to_refuse.clear();
    }

    /// How many were not accepted so far.
    pub fn refused(&self) -> usize {
        self.state.lock().unwrap().refused
    }

    /// The jobs that were told of.
    pub fn told(&self) -> Vec<String> {
        self.state.lock().unwrap().told.clone()
    }
}

fn answer(mut stream: &TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let message = read(stream)?;
    let refusal = {
        let mut state = state.lock().unwrap();
        let refusal = state.to_refuse.pop();
        match refusal {
            Some(_) => state.refused += 1,
            None => state.told.extend(job_of(&message)),
        }
        refusal
    };
    let (status, body) = match refusal {
        None => ("200 OK", r#"{"ok":true,"result":{}}"#),
        Some(Refusal::Silence) => return Ok(()),
        Some(Refusal::Failure) => ("502 Bad Gateway", r#"{"ok":false,"error_code":502,"description":"down"}"#),
        Some(Refusal::Later) => (
            "429 Too Many Requests",
            r#"{"ok":false,"error_code":429,"description":"slow down","parameters":{"retry_after":1}}"#,
        ),
        Some(Refusal::Nonsense) => ("200 OK", "<html>"),
    };
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

fn read(stream: &TcpStream) -> io::Result<String> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    String::from_utf8(body).map_err(io::Error::other)
}

/// The job that a message says has failed.
fn job_of(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("job_failed (job ")?;
    rest.split_once(')').map(|(job, _)| job.to_owned())
}
