//! What Telegram answers, and what it means.

use std::time::Duration;

use serde::Deserialize;

use crate::notify::NotifyError;

/// The longest wait that is believed.
const MAX_WAIT: Duration = Duration::from_secs(24 * 3600);

/// The form of every answer of the bot API.
#[derive(Debug, Deserialize)]
struct Answer {
    ok: bool,
    description: Option<String>,
    parameters: Option<Parameters>,
}

#[derive(Debug, Default, Deserialize)]
struct Parameters {
    /// Seconds.
    retry_after: Option<f64>,
    migrate_to_chat_id: Option<i64>,
}

/// What an answer means.
///
/// A refusal is for ever, so it is only taken from Telegram itself: an error page of something in between, whatever
/// its status, means that the message may be accepted later.
pub(super) fn judge(status: u16, body: &[u8]) -> Result<(), NotifyError> {
    let Ok(answer) = serde_json::from_slice::<Answer>(body) else {
        return Err(NotifyError::Again(format!("HTTP {status}, and the answer is not telegram's")));
    };
    if answer.ok && (200..300).contains(&status) {
        return Ok(());
    }
    let parameters = answer.parameters.unwrap_or_default();
    let description = answer.description.unwrap_or_else(|| "no description".to_owned());
    let mut problem = format!("HTTP {status}: {description}");
    if let Some(chat) = parameters.migrate_to_chat_id {
        problem.push_str(&format!("; the chat's id is now {chat}"));
    }
    Err(match status {
        // 408 and 425 speak of the connection and its time, not of the message.
        400..=499 if !answer.ok && ![408, 425, 429].contains(&status) => NotifyError::Refused(problem),
        429 => match parameters.retry_after.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
            Some(wait) => NotifyError::Later { wait: wait.min(MAX_WAIT), problem },
            None => NotifyError::Again(problem),
        },
        _ => NotifyError::Again(problem),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_ok_with_a_good_status_is_accepted() {
        assert_eq!(judge(200, br#"{"ok":true,"result":{"message_id":5}}"#), Ok(()));
        for (status, body) in [
            (200, "<html>sign in to the network</html>"),
            (200, ""),
            (200, "[]"),
            (200, r#"{"ok":false}"#),
            (302, r#"{"ok":true}"#),
            (400, r#"{"ok":true}"#),
            (500, r#"{"ok":true}"#),
        ] {
            assert!(matches!(judge(status, body.as_bytes()), Err(NotifyError::Again(_))), "{status} {body}");
        }
    }

    #[test]
    fn a_refusal_is_telegrams_own_word() {
        for status in [400, 401, 403, 404, 413] {
            let body = br#"{"ok":false,"error_code":1,"description":"because"}"#;
            let expected = NotifyError::Refused(format!("HTTP {status}: because"));
            assert_eq!(judge(status, body), Err(expected));

            let expected = NotifyError::Again(format!("HTTP {status}, and the answer is not telegram's"));
            assert_eq!(judge(status, b"<html>blocked by your administrator</html>"), Err(expected));
        }
        for status in [408, 425, 500, 502, 504, 302, 199, 999] {
            let body = br#"{"ok":false,"description":"because"}"#;
            assert_eq!(judge(status, body), Err(NotifyError::Again(format!("HTTP {status}: because"))));
        }
        assert_eq!(judge(404, br#"{"ok":false}"#), Err(NotifyError::Refused("HTTP 404: no description".into())));
    }

    #[test]
    fn too_many_requests_come_with_a_wait() {
        let asked = |parameters: &str| {
            let body = format!(r#"{{"ok":false,"description":"slowly","parameters":{parameters}}}"#);
            judge(429, body.as_bytes()).unwrap_err()
        };
        let later = |wait| NotifyError::Later { wait, problem: "HTTP 429: slowly".into() };
        assert_eq!(asked(r#"{"retry_after":7}"#), later(Duration::from_secs(7)));
        assert_eq!(asked(r#"{"retry_after":0.5}"#), later(Duration::from_millis(500)));
        assert_eq!(asked(r#"{"retry_after":1e12}"#), later(Duration::from_secs(86_400)));
        for parameters in ["{}", "null", r#"{"retry_after":-1}"#, r#"{"retry_after":null}"#] {
            assert_eq!(asked(parameters), NotifyError::Again("HTTP 429: slowly".into()));
        }
    }

    #[test]
    fn a_chat_that_has_moved_is_said() {
        let body = br#"{"ok":false,"error_code":400,
            "description":"Bad Request: group chat was upgraded to a supergroup chat",
            "parameters":{"migrate_to_chat_id":-1001234567890}}"#;
        let expected = "refused: HTTP 400: Bad Request: group chat was upgraded to a supergroup chat; \
            the chat's id is now -1001234567890";
        assert_eq!(judge(400, body).unwrap_err().to_string(), expected);
    }
}
