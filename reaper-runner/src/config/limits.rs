//! What can differ from agent to agent: ends that are not tried again, and how often attempts may die young.

use std::{collections::BTreeSet, time::Duration};

use reaper_core::{
    Intensity, Signature,
    policy::{ExitPolicy, Limits},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::span::{StartTimeout, maybe_duration};

/// Ends that are not tried again.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExitConfig {
    /// Ends by their signatures: `code:3`, `signal:SEGV`, `oom`, `vanished`, `overrun`, `never_started`.
    pub fail_on: BTreeSet<Signature>,
}

/// What differs for one agent.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AgentConfig {
    /// As the general one.
    pub dead_ticks: Option<u32>,
    /// As the general one.
    #[serde(with = "maybe_duration")]
    pub finalize_grace: Option<Duration>,
    /// As the general one.
    #[serde(with = "maybe_duration")]
    pub max_running: Option<Duration>,
    /// As the general one.
    pub start_timeout: Option<StartTimeout>,
    /// As the general one.
    pub intensity: Option<MaxIntensity>,
    /// As the general one.
    pub exit: Option<ExitConfig>,
}

/// How often attempts may die young, written `20/10m`, or `off`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaxIntensity(pub Option<Intensity>);

impl ExitConfig {
    pub(super) fn policy(&self) -> ExitPolicy {
        ExitPolicy { fail_on: self.fail_on.clone() }
    }
}

impl AgentConfig {
    pub(super) fn over(&self, general: &Limits) -> Limits {
        Limits {
            dead_ticks: self.dead_ticks.unwrap_or(general.dead_ticks),
            finalize_grace: self.finalize_grace.unwrap_or(general.finalize_grace),
            max_running: self.max_running.unwrap_or(general.max_running),
            start_timeout: self.start_timeout.map_or(general.start_timeout, |own| own.0),
            exit: self.exit.as_ref().map_or_else(|| general.exit.clone(), ExitConfig::policy),
            intensity: self.intensity.map_or(general.intensity, |own| own.0),
        }
    }
}

impl<'de> Deserialize<'de> for MaxIntensity {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text == "off" {
            return Ok(Self(None));
        }
        let read = text.split_once('/').and_then(|(crashes, period)| {
            let period = humantime::parse_duration(period.trim()).ok()?;
            Some(Intensity { crashes: crashes.trim().parse().ok()?, period })
        });
        let wrong =
            || de::Error::custom(format!("`{text}` is no intensity: write it like \"20/10m\", or \"off\""));
        read.map(Some).map(Self).ok_or_else(wrong)
    }
}

impl Serialize for MaxIntensity {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(Intensity { crashes, period }) => {
                to.collect_str(&format_args!("{crashes}/{}", humantime::format_duration(period)))
            }
            None => to.serialize_str("off"),
        }
    }
}
