//! `reaper leases`: the lease files of a merge gate.

use clap::{Args, Subcommand};
use reaper_core::effect::Plain;
use reaper_gate::lease::{LeaseFile, LeaseState};

use super::{
    Context, Exit, Failure,
    passes::at,
    table::{render, table},
    world,
};
use crate::{SystemTime, Time};

#[derive(Debug, Args)]
pub(super) struct LeasesArgs {
    #[command(subcommand)]
    command: Option<LeasesCommand>,
}

#[derive(Debug, Subcommand)]
enum LeasesCommand {
    /// Remove those whose holder is dead or whose time is up.
    Reclaim,
}

pub(super) fn leases(context: &Context, args: &LeasesArgs) -> Result<(), Failure> {
    let leases = world::leases(&context.config)?.ok_or_else(|| {
        Failure::new(Exit::Usage, "no folder of lease files is configured: set leases.dir in reaper.toml")
    })?;
    let now = SystemTime::new().wall();
    match args.command {
        None => {
            let found = leases.list(now);
            let json: Vec<_> = found.iter().map(as_json).collect();
            context.out.result(&json, || describe(&found))
        }
        Some(LeasesCommand::Reclaim) => {
            let reclaimed = leases.reclaim(Some(now));
            let result = serde_json::json!({"removed": reclaimed.removed, "problems": reclaimed.problems});
            context.out.result(&result, || {
                let plain = |text: &str| Plain { text, max: usize::MAX }.to_string();
                let removed = reclaimed.removed.iter().map(|path| format!("removed {}", path.display()));
                let lines = removed.chain(reclaimed.problems.iter().cloned());
                lines.map(|line| plain(&line)).collect::<Vec<_>>().join("\n")
            })?;
            if reclaimed.removed.is_empty() {
                return Err(Failure::new(Exit::Unchanged, "no lease is stale"));
            }
            Ok(())
        }
    }
}

fn said(lease: &LeaseFile) -> (&'static str, &str) {
    match &lease.state {
        LeaseState::Held => ("held", ""),
        LeaseState::Stale(why) => ("stale", why),
        LeaseState::Unreadable(why) => ("left alone", why),
    }
}

fn as_json(lease: &LeaseFile) -> serde_json::Value {
    let (state, why) = said(lease);
    let holder = lease.holder.as_ref().map(|holder| holder.liveness.as_str());
    serde_json::json!({"path": lease.path, "state": state, "why": why, "holder": holder, "acquired_at": lease.acquired_at})
}

fn describe(found: &[LeaseFile]) -> String {
    if found.is_empty() {
        return "no lease files\n".into();
    }
    let mut rows = table(&["lease", "state", "holder", "acquired"]);
    for lease in found {
        let (state, why) = said(lease);
        let state = if why.is_empty() { state.to_owned() } else { format!("{state}: {why}") };
        let name = lease.path.file_name().unwrap_or(lease.path.as_os_str()).to_string_lossy();
        rows.add_row([
            Plain { text: &name, max: 200 }.to_string(),
            Plain { text: &state, max: 200 }.to_string(),
            lease.holder.as_ref().map(|holder| holder.liveness.as_str().to_owned()).unwrap_or_default(),
            lease.acquired_at.map(at).unwrap_or_default(),
        ]);
    }
    render(&rows)
}
