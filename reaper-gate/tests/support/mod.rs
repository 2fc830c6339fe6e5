//! A server on this machine that stands for Telegram's, and a bot's token whose traces can be looked for.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use reaper_core::Alert;
use reaper_gate::notify::telegram::{Telegram, TelegramConfig, Token};

/// The token of every test.
pub(crate) const TOKEN: &str = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw9";

/// Fails if a part of the token that tells anything stands in a text.
pub(crate) fn assert_no_token(text: &str) {
    let secret = TOKEN.split_once(':').unwrap().1;
    for start in 0..=secret.len() - 8 {
        let part = &secret[start..start + 8];
        assert!(!text.contains(part), "`{part}` stands in {text}");
    }
}

/// A bot that talks to the server at `base` and waits for it at most so long.
pub(crate) fn telegram(base: &str, limit: Duration) -> Telegram {
    let config = TelegramConfig {
        base: base.to_owned(),
        connect_limit: limit,
        total_limit: limit,
        ..TelegramConfig::new(Token::new(TOKEN).unwrap(), "-1001234567890")
    };
    Telegram::new(config).unwrap()
}

pub(crate) fn alert() -> Alert {
    Alert { kind: "job_failed".into(), job: Some(7.into()), text: "job 7 failed: exit 1".into() }
}

/// Answers one request on its connection.
pub(crate) type Reply = Box<dyn FnOnce(&mut TcpStream) -> io::Result<()> + Send>;

/// An answer with a status and a body.
pub(crate) fn says(status: &str, body: impl Into<String>) -> Reply {
    let (status, body) = (status.to_owned(), body.into());
    Box::new(move |stream| {
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())
    })
}

/// A server that answers one connection after the other as it is told to, and then is gone.
pub(crate) struct Server {
    pub(crate) base: String,
    requests: Receiver<String>,
}

impl Server {
    pub(crate) fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies: Vec<_> = replies.into_iter().collect();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (tell, requests) = mpsc::channel();
        thread::spawn(move || {
            for reply in replies {
                let (mut stream, _) = listener.accept().unwrap();
                tell.send(read_request(&stream).unwrap()).ok();
                // A client that hangs up in the midst of an answer is one of the things that are tested.
                reply(&mut stream).ok();
            }
        });
        Self { base, requests }
    }

    /// The next request, as it came.
    pub(crate) fn request(&self) -> String {
        self.requests.recv_timeout(Duration::from_secs(20)).expect("a request")
    }

    /// Whether a request has come that nobody has asked for yet.
    pub(crate) fn has_request(&self) -> bool {
        self.requests.try_recv().is_ok()
    }
}

fn read_request(stream: &TcpStream) -> io::Result<String> {
    let mut reader = BufReader::new(stream);
    let (mut request, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
        request.push_str(&line);
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    request.push_str(&String::from_utf8(body).unwrap());
    Ok(request)
}
