//! What each form of a lease is taken for.

use chrono::TimeZone;
use proptest::prelude::*;
use reaper_core::Certainty;

use super::*;

const TTL: Duration = Duration::from_secs(3600);

/// Pid 1 lives, 2 is dead, of others nothing is known; identities by their pids alike.
#[derive(Debug)]
struct Fake;

impl Probe for Fake {
    fn host(&self) -> &str {
        "here"
    }

    fn probe(&self, identity: &ProcessIdentity) -> Sighting {
        if identity.host == self.host() {
            self.probe_pid(identity.pid)
        } else {
            Sighting::new(Liveness::Unknown, Finding::OtherHost)
        }
    }

    fn probe_pid(&self, pid: u32) -> Sighting {
        match pid {
            1 => Sighting::new(Liveness::Alive(Certainty::Unverified), Finding::PidExists),
            2 => Sighting::new(Liveness::Dead(Certainty::Unverified), Finding::NoSuchProcess),
            3 => Sighting::new(Liveness::Leftovers, Finding::SessionLives(1)),
            _ => Sighting::new(Liveness::Unknown, Finding::PidNotTrusted),
        }
    }
}

fn now() -> Timestamp {
    Utc.with_ymd_and_hms(2026, 1, 2, 12, 0, 0).unwrap()
}

fn judge(text: &str) -> Judged {
    let hosts = ["here".to_owned(), "node".to_owned()].into_iter().collect();
    let around = Circumstances { probe: &Fake, hosts: &hosts, ttl: TTL, now: Some(now()) };
    Lease::parse(text.as_bytes()).unwrap().judge(&around)
}

fn assert_held(text: &str) {
    assert_eq!(judge(text).state, LeaseState::Held, "{text}");
}

fn assert_stale(text: &str, why: &str) {
    let state = judge(text).state;
    assert!(matches!(&state, LeaseState::Stale(because) if because.contains(why)), "{text}: {state:?}");
}

fn assert_unreadable(text: &str, why: &str) {
    let state = judge(text).state;
    assert!(matches!(&state, LeaseState::Unreadable(because) if because.contains(why)), "{text}: {state:?}");
}

#[test]
fn a_living_holder_keeps_it_until_its_time_is_up() {
    assert_held(r#"{"pid": 1, "host": "here", "acquired_at": "2026-01-02T11:00:01Z", "branch": ["x"]}"#);
    assert_stale(r#"{"pid": 1, "host": "here", "acquired_at": "2026-01-02T11:00:00Z"}"#, "3600 s");
}

#[test]
fn a_dead_holder_does_not() {
    for host in [r#""here""#, r#""node""#, "null"] {
        let text = format!(r#"{{"pid": 2, "host": {host}, "acquired_at": "2026-01-02T11:59:59Z"}}"#);
        assert_stale(&text, "dead: no process has this pid");
    }
    assert_stale(r#"{"pid": 2}"#, "dead");
}

#[test]
fn leftovers_of_a_holder_hold() {
    assert_held(r#"{"pid": 3, "host": "here"}"#);
}

#[test]
fn of_another_hosts_only_the_time_decides() {
    let fresh = r#"{"pid": 2, "host": "there", "acquired_at": "2026-01-02T11:59:59Z"}"#;
    assert_held(fresh);
    assert_eq!(judge(fresh).holder, Some(Sighting::new(Liveness::Unknown, Finding::OtherHost)));
    assert_stale(r#"{"pid": 1, "host": "there", "acquired_at": "2026-01-02T10:59:59Z"}"#, "time is up");
}

#[test]
fn an_identity_is_used_instead_of_the_pid() {
    let boot = "426a2158-bfcc-45fc-8975-db9ff4e3b717";
    assert_stale(&format!(r#"{{"pid": 1, "host": "here", "holder": "here/{boot}/9/2/77/88"}}"#), "dead");
    assert_held(&format!(r#"{{"pid": 2, "host": "here", "holder": "here/{boot}/9/1/77/88"}}"#));
    assert_held(&format!(r#"{{"pid": 2, "host": "here", "holder": "there/{boot}/9/2/77/88"}}"#));
    // Another program's word for something else.
    assert_stale(r#"{"pid": 2, "host": "here", "holder": "alice"}"#, "dead");
    assert_held(r#"{"pid": 1, "host": "here", "holder": {"name": "alice"}}"#);
}

#[test]
fn a_renewal_counts_from_when_it_was_made() {
    assert_held(r#"{"acquired_at": "2026-01-01T00:00:00Z", "renewed_at": "2026-01-02T11:30:00Z"}"#);
    assert_held(r#"{"renewed_at": "2026-01-01T00:00:00Z", "acquired_at": "2026-01-02T11:30:00Z"}"#);
    assert_stale(r#"{"acquired_at": "2026-01-01T00:00:00Z", "renewed_at": "2026-01-02T10:30:00Z"}"#, "5400 s");
}

#[test]
fn instants_in_each_form() {
    let old = ["\"2026-01-02T10:30:00+00:00\"", "\"2026-01-02 10:30:00\"", "\"2026-01-02 11:30:00.25+01:00\""];
    for text in old {
        assert_stale(&format!(r#"{{"acquired_at": {text}}}"#), "time is up");
    }
    assert_stale(&format!(r#"{{"acquired_at": {}}}"#, now().timestamp() - 4000), "4000 s");
    assert_stale(&format!(r#"{{"acquired_at": {}.75}}"#, now().timestamp() - 4000), "3999 s");
    assert_eq!(
        judge(r#"{"acquired_at": "2026-01-02 11:30:00"}"#).acquired_at,
        now().checked_sub_signed(TimeDelta::minutes(30))
    );
}

#[test]
fn a_time_without_a_zone_or_of_another_form_makes_nothing_stale() {
    for text in ["\"2026-01-01T00:00:00\"", "\"yesterday\"", "\"\"", "true", "{}", "-1", "1e300"] {
        assert_unreadable(&format!(r#"{{"pid": 1, "host": "here", "acquired_at": {text}}}"#), "acquired_at");
        assert_stale(&format!(r#"{{"pid": 2, "host": "here", "acquired_at": {text}}}"#), "dead");
    }
}

#[test]
fn a_little_ahead_is_young_and_far_ahead_unreadable() {
    assert_held(r#"{"acquired_at": "2026-01-02T13:00:00Z"}"#);
    assert_unreadable(r#"{"acquired_at": "2026-01-02T13:00:01Z"}"#, "future");
    // Milliseconds, taken for seconds.
    assert_unreadable(r#"{"acquired_at": 1767355200000}"#, "future");
}

#[test]
fn a_holder_of_another_form_makes_nothing_stale() {
    for pid in ["0", "-2", "4294967298", "2.0", "\"2\"", "[2]"] {
        let fresh = format!(r#"{{"pid": {pid}, "host": "here", "acquired_at": "2026-01-02T11:59:59Z"}}"#);
        assert_unreadable(&fresh, "pid");
        assert_stale(&format!(r#"{{"pid": {pid}, "acquired_at": "2026-01-02T10:00:00Z"}}"#), "time is up");
    }
    assert_unreadable(r#"{"pid": 2, "host": 7}"#, "host");
}

#[test]
fn what_names_nothing_is_unreadable() {
    assert_unreadable("{}", "neither");
    assert_unreadable(r#"{"host": "here"}"#, "neither");
    for text in ["", "[]", "null", "{", "\u{0}", "{\"pid\": 2}}"] {
        assert!(Lease::parse(text.as_bytes()).is_err(), "{text:?}");
    }
    assert!(Lease::parse(b"{\"pid\": 2, \"host\": \"\xff\"}").is_err());
    assert!(Lease::parse("[".repeat(60_000).as_bytes()).is_err());
}

proptest! {
    /// Without a dead holder and without a time nothing is stale, whatever else it holds.
    #[test]
    fn nothing_is_stale_for_no_reason(
        pid in prop_oneof![Just("1".to_owned()), "[-0-9.e\"]{1,9}".prop_map(|text| format!("\"{text}\""))],
        text in "\\PC{0,20}",
    ) {
        let text = Value::String(text).to_string();
        let lease = format!(r#"{{"pid": {pid}, "host": {text}, "holder": {text}, "extra": {text}}}"#);
        if let Ok(lease) = Lease::parse(lease.as_bytes()) {
            let hosts = ["here".to_owned()].into_iter().collect();
            let around = Circumstances { probe: &Fake, hosts: &hosts, ttl: TTL, now: Some(now()) };
            prop_assert!(!matches!(lease.judge(&around).state, LeaseState::Stale(_)));
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(lease) = Lease::parse(&bytes) {
            prop_assert!(lease.acquired_at.is_none() || bytes.len() > 15);
        }
    }
}
