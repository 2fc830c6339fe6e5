//! The ends of child processes, which a program may have been told to ignore before it begins.

use std::{fs, sync::Arc};

use signal_hook::consts::SIGCHLD;

/// Sees to it that the kernel keeps the exits of children. Whoever started this program may ignore SIGCHLD, which is
/// inherited: a child's end could be waited for then, and its exit code could not be had. A handler undoes that, and is not
/// inherited by what is started.
pub(super) fn keep_exits() {
    if is_ignored()
        && let Err(error) = signal_hook::flag::register(SIGCHLD, Arc::default())
    {
        tracing::warn!(%error, "SIGCHLD is ignored, and that cannot be undone: no command's exit code can be had");
    }
}

/// Whether it is ignored; `true` where that cannot be told.
fn is_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let bit = u32::try_from(SIGCHLD).ok().and_then(|number| number.checked_sub(1));
    mask.zip(bit).is_none_or(|(mask, bit)| mask.checked_shr(bit).is_some_and(|mask| mask & 1 == 1))
}
