//! What a lease file says, and what follows from it.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use reaper_core::{Finding, Liveness, ProcessIdentity, Sighting, Timestamp};
use serde_json::{Map, Value};

use super::LeaseState;
use crate::Probe;

/// The fields of a lease. What has another form than expected is kept as the reason why it says nothing.
#[derive(Debug)]
pub(super) struct Lease {
    pid: Field<u32>,
    host: Field<String>,
    holder: Option<ProcessIdentity>,
    acquired_at: Field<Timestamp>,
    renewed_at: Field<Timestamp>,
}

/// `None` where it is missing or null.
type Field<T> = Option<Result<T, String>>;

/// What a lease is judged by, other than itself.
#[derive(Debug)]
pub(super) struct Circumstances<'a> {
    /// Looks at the holder.
    pub(super) probe: &'a dyn Probe,
    /// The names of this host.
    pub(super) hosts: &'a BTreeSet<String>,
    /// How long a lease is good for.
    pub(super) ttl: Duration,
    /// Now; `None` where no clock is to be believed.
    pub(super) now: Option<Timestamp>,
}

/// What is said of a lease, and why.
#[derive(Debug)]
pub(super) struct Judged {
    /// What is said of it.
    pub(super) state: LeaseState,
    /// What was seen of its holder.
    pub(super) holder: Option<Sighting>,
    /// When it was acquired.
    pub(super) acquired_at: Option<Timestamp>,
}

impl Lease {
    /// Reads a lease.
    ///
    /// # Errors
    ///
    /// Where it is no JSON object.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let fields: Map<String, Value> =
            serde_json::from_slice(bytes).map_err(|error| format!("is no lease: {error}"))?;
        Ok(Self {
            pid: field(&fields, "pid", "no process id", pid),
            host: field(&fields, "host", "no text", text),
            // Another program may keep a name of its own under this word.
            holder: fields.get("holder").and_then(Value::as_str).and_then(|text| text.parse().ok()),
            acquired_at: field(&fields, "acquired_at", "no instant with a zone", instant),
            renewed_at: field(&fields, "renewed_at", "no instant with a zone", instant),
        })
    }

    /// Stale if and only if its holder is dead or its time is up. What it says in a form that cannot be read makes it
    /// neither; then it is unreadable, unless the rest is enough to call it stale.
    pub(super) fn judge(&self, around: &Circumstances<'_>) -> Judged {
        let holder = self.holder(around);
        let state = match (&holder, &self.age(around)) {
            (Ok(Sighting { liveness: Liveness::Dead(_), finding }), _) => {
                LeaseState::Stale(format!("its holder is dead: {finding}"))
            }
            (_, Ok(Some(age))) if *age >= around.ttl => {
                LeaseState::Stale(format!("its time is up: it is {} s old", age.as_secs()))
            }
            (Err(why), _) | (_, Err(why)) => LeaseState::Unreadable(why.clone()),
            (Ok(seen), Ok(None)) if *seen == Sighting::NOTHING_RECORDED => {
                LeaseState::Unreadable("it names neither a holder nor a time".to_owned())
            }
            (Ok(_), Ok(_)) => LeaseState::Held,
        };
        let acquired_at = self.acquired_at.clone().and_then(Result::ok);
        Judged { state, holder: holder.ok(), acquired_at }
    }

    fn holder(&self, around: &Circumstances<'_>) -> Result<Sighting, String> {
        if let Some(identity) = &self.holder {
            return Ok(around.probe.probe(identity));
        }
        let Some(pid) = self.pid.clone().transpose()? else { return Ok(Sighting::NOTHING_RECORDED) };
        match self.host.clone().transpose()? {
            Some(host) if !around.hosts.contains(&host) => {
                Ok(Sighting::new(Liveness::Unknown, Finding::OtherHost))
            }
            // Whether a pid means anything here is the probe's to say.
            Some(_) | None => Ok(around.probe.probe_pid(pid)),
        }
    }

    /// How long ago it was acquired, or last renewed; as if just now where no clock is to be believed.
    fn age(&self, around: &Circumstances<'_>) -> Result<Option<Duration>, String> {
        let acquired = self.acquired_at.clone().transpose()?;
        let Some(last) = acquired.max(self.renewed_at.clone().transpose()?) else { return Ok(None) };
        let Some(now) = around.now else { return Ok(Some(Duration::ZERO)) };
        let age = now.signed_duration_since(last);
        // Clocks differ a little; one that is ahead by a whole life of a lease would keep it for ever.
        if age.abs().to_std().is_ok_and(|ahead| ahead > around.ttl) && age < TimeDelta::zero() {
            return Err(format!("its time, {last}, lies in the future"));
        }
        Ok(Some(age.to_std().unwrap_or(Duration::ZERO)))
    }
}

fn field<T>(fields: &Map<String, Value>, name: &str, not: &str, read: impl Fn(&Value) -> Option<T>) -> Field<T> {
    let value = fields.get(name).filter(|value| !value.is_null())?;
    Some(read(value).ok_or_else(|| format!("its {name} is {not}")))
}

fn pid(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|number| number.try_into().ok()).filter(|pid| *pid != 0)
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(ToOwned::to_owned)
}

/// An instant: RFC 3339, with a `T` or a blank; seconds since 1970; or the form of SQLite's `datetime('now')`, which
/// has no zone and is UTC. Any other without a zone may be somebody's local time, and is none.
fn instant(value: &Value) -> Option<Timestamp> {
    if let Some(text) = value.as_str() {
        let zoned = DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1)).map(|instant| instant.to_utc());
        return zoned.ok().or_else(|| {
            NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").ok().map(|naive| naive.and_utc())
        });
    }
    let since = Duration::try_from_secs_f64(value.as_f64()?).ok()?;
    DateTime::<Utc>::UNIX_EPOCH.checked_add_signed(TimeDelta::from_std(since).ok()?)
}

#[cfg(test)]
mod tests;
