//! Beats of attempts: which of them a pass reads, and what they say beside what was seen.

use reaper_core::{
    BeatObservations, Clock, JobSnapshot, PassKind, Sighting, Status, Timestamp, beat::is_asked_for,
};

use crate::{Parts, Settings};

/// Until when a beat is overdue, in a tick. A wake judges none that is not a suspect's.
pub(crate) fn beats_until(settings: &Settings, clock: &Clock, kind: PassKind) -> Option<Timestamp> {
    let timing = settings.beat.as_ref().filter(|_| kind == PassKind::Tick)?;
    Some(clock.latest_with(timing.overdue()))
}

/// What is known of an executor, its beat taken into account where nothing else is.
pub(crate) fn listen(
    job: &JobSnapshot,
    seen: Sighting,
    parts: &Parts,
    settings: &Settings,
    beats: &mut BeatObservations,
    kind: PassKind,
) -> Sighting {
    let is_judged = job.status == Status::Running && job.exit.is_none() && is_asked_for(&seen);
    match (&settings.beat, job.beat) {
        (Some(timing), Some(beat)) if is_judged => {
            beats.read(kind, &job.attempt, beat.count, parts.time.monotonic(), timing).judge(seen)
        }
        _ => seen,
    }
}
