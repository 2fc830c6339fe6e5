//! Notifications through Telegram, against a server that answers as Telegram documents its errors.
#![cfg(feature = "telegram")]

// Said again, so that the lints know it for tests.
#[cfg(test)]
mod support;

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::mpsc,
    time::Duration,
};

use reaper_gate::notify::{Notify as _, NotifyError};
use support::{Reply, Server, TOKEN, alert, assert_no_token, says, telegram};

/// Longer than any answer of the test server takes.
const PATIENT: Duration = Duration::from_secs(20);
/// A limit that comes, and not before the request.
const BRIEF: Duration = Duration::from_secs(2);

/// What becomes of an alert that is answered so. In no case does the token stand in it.
fn told(reply: Reply, limit: Duration) -> Result<(), NotifyError> {
    let server = Server::start([reply]);
    let told = telegram(&server.base, limit).notify("7:99:alert", &alert());
    assert_no_token(&format!("{told:?}"));
    if let Err(error) = &told {
        assert_no_token(&error.to_string());
    }
    let _sent = server.request();
    told
}

fn refused(problem: &str) -> Result<(), NotifyError> {
    Err(NotifyError::Refused(problem.to_owned()))
}

fn again(problem: &str) -> Result<(), NotifyError> {
    Err(NotifyError::Again(problem.to_owned()))
}

#[test]
fn an_alert_is_a_plain_text_message_to_the_chat() {
    let ok = || says("200 OK", r#"{"ok":true,"result":{"message_id":5}}"#);
    let server = Server::start([ok(), ok()]);
    let bot = telegram(&format!("{}/prefix/", server.base), PATIENT);
    assert_eq!(bot.notify("7:99:alert", &alert()), Ok(()));
    let request = server.request();
    assert!(request.starts_with(&format!("POST /prefix/bot{TOKEN}/sendMessage HTTP/1.1\r\n")), "{request}");
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.to_lowercase().contains("content-type: application/json"), "{head}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let text = "reaper: job_failed (job 7)\njob 7 failed: exit 1\n[7:99:alert]";
    assert_eq!(body, serde_json::json!({ "chat_id": -1_001_234_567_890_i64, "text": text }));

    assert_eq!(bot.notify("7:99:alert", &alert()), Ok(()), "each is sent on a connection of its own");
    server.request();
}

#[test]
fn what_telegram_refuses_is_refused_with_its_description() {
    for (status, description) in [
        ("400 Bad Request", "Bad Request: chat not found"),
        ("401 Unauthorized", "Unauthorized"),
        ("403 Forbidden", "Forbidden: bot was blocked by the user"),
        ("404 Not Found", "Not Found"),
    ] {
        let code = status.split_once(' ').unwrap().0;
        let body = format!(r#"{{"ok":false,"error_code":{code},"description":"{description}"}}"#);
        assert_eq!(told(says(status, body), PATIENT), refused(&format!("HTTP {code}: {description}")));
    }
}

#[test]
fn too_many_requests_are_to_be_tried_again_after_the_wait() {
    let body = r#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 35",
        "parameters":{"retry_after":35}}"#;
    let expected = NotifyError::Later {
        wait: Duration::from_secs(35),
        problem: "HTTP 429: Too Many Requests: retry after 35".to_owned(),
    };
    assert_eq!(told(says("429 Too Many Requests", body), PATIENT), Err(expected));
}

#[test]
fn server_errors_are_to_be_tried_again() {
    let body = r#"{"ok":false,"error_code":500,"description":"Internal Server Error"}"#;
    let reply = says("500 Internal Server Error", body);
    assert_eq!(told(reply, PATIENT), again("HTTP 500: Internal Server Error"));
    let reply = says("502 Bad Gateway", "<html><h1>502</h1></html>");
    assert_eq!(told(reply, PATIENT), again("HTTP 502, and the answer is not telegram's"));
}

#[test]
fn an_answer_that_is_not_telegrams_accepts_and_refuses_nothing() {
    let reply = says("200 OK", "<html>sign in to the network</html>");
    assert_eq!(told(reply, PATIENT), again("HTTP 200, and the answer is not telegram's"));
    let reply = says("403 Forbidden", "\u{0}\u{fffd}{{{");
    assert_eq!(told(reply, PATIENT), again("HTTP 403, and the answer is not telegram's"));

    let garbage: Reply = Box::new(|stream| stream.write_all(b"\x00\x01garbage\r\n\r\n"));
    assert!(matches!(told(garbage, PATIENT), Err(NotifyError::Again(_))));
    let nothing: Reply = Box::new(|_| Ok(()));
    assert!(matches!(told(nothing, PATIENT), Err(NotifyError::Again(_))));
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = Server::start([says("200 OK", r#"{"ok":true}"#)]);
    let location = format!("Location: {}/bot{TOKEN}/sendMessage", elsewhere.base);
    for status in ["302 Found", "307 Temporary Redirect"] {
        let reply = format!("HTTP/1.1 {status}\r\n{location}\r\nContent-Length: 0\r\n\r\n");
        let reply: Reply = Box::new(move |stream| stream.write_all(reply.as_bytes()));
        let code = status.split_once(' ').unwrap().0;
        let expected = format!("HTTP {code}, and the answer is not telegram's");
        assert_eq!(told(reply, PATIENT), again(&expected));
    }
    assert!(!elsewhere.has_request());
}

#[test]
fn f25_a_huge_answer_is_not_read_to_its_end() {
    let (tell, written) = mpsc::channel();
    let reply: Reply = Box::new(move |stream| {
        let length = 10_000_000;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{{\"ok\":true,\"x\":\"");
        stream.write_all(head.as_bytes())?;
        let all = stream.write_all(&vec![b'x'; length]);
        tell.send(all.is_ok()).ok();
        Ok(())
    });
    let expected = "the response body is larger than request limit: 65536";
    assert_eq!(told(reply, PATIENT), again(expected));
    assert!(!written.recv_timeout(PATIENT).unwrap(), "the client took all of it");
}

#[test]
fn f25_a_slow_answer_ends_at_the_time_limit() {
    // The server waits until the client hangs up.
    let silent: Reply = Box::new(|stream| stream.read(&mut [0]).map(drop));
    let expected = "no answer within the time limit (global)";
    assert_eq!(told(silent, BRIEF), again(expected));

    // One byte after the other, each in time by itself.
    let (_never, pace) = mpsc::channel::<()>();
    let dripping: Reply = Box::new(move |stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")?;
        while pace.recv_timeout(Duration::from_millis(20)) == Err(mpsc::RecvTimeoutError::Timeout) {
            stream.write_all(b" ")?;
        }
        Ok(())
    });
    assert_eq!(told(dripping, BRIEF), again(expected));
}

#[test]
fn f25_a_refused_connection_is_to_be_tried_again() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = telegram(&base, PATIENT).notify("k", &alert()).unwrap_err();
    assert!(matches!(error, NotifyError::Again(_)), "{error:?}");
    assert_no_token(&format!("{error} {error:?}"));
}

#[test]
fn f25_a_server_that_echoes_the_token_or_worse_gets_no_further() {
    let secret = TOKEN.split_once(':').unwrap().1;
    // Wherever the text is cut, no part of a token is left.
    for start in 0..5 {
        let (before, many) = ("x".repeat(start * 9), format!("{TOKEN}+").repeat(60));
        let echo = format!("no bot {TOKEN}, no {secret}, \\u001b[2J\\nforged line {before}{many}");
        let body = format!(r#"{{"ok":false,"error_code":404,"description":"{echo}"}}"#);
        let error = told(says("404 Not Found", body), PATIENT).unwrap_err().to_string();
        let expected = format!(
            "refused: HTTP 404: no bot <token>, no <token>, \\u{{1b}}[2J\\nforged line {before}<token>+<token>+"
        );
        assert!(error.starts_with(&expected), "{error}");
        assert!(error.chars().count() < 450 && error.ends_with('…'), "{error}");
    }
}
