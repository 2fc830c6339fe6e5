//! Durations as a configuration writes them.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A duration, or `off`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StartTimeout(pub Option<Duration>);

/// What a duration may look like: `"10s"`, `"5m"`, `"1h 30m"`, or a whole number of seconds.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Seconds(u64),
    Text(String),
}

impl Written {
    fn parse<E: de::Error>(self) -> Result<Duration, E> {
        match self {
            Self::Seconds(seconds) => Ok(Duration::from_secs(seconds)),
            Self::Text(text) => humantime::parse_duration(&text).map_err(|problem| {
                E::custom(format!("`{text}` is no duration ({problem}): write it like \"10s\", \"5m\" or \"6h\""))
            }),
        }
    }
}

pub(super) mod duration {
    use super::{Deserialize, Deserializer, Duration, Serializer, Written};

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        Written::deserialize(from)?.parse()
    }

    pub(in crate::config) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_duration(*duration))
    }
}

pub(super) mod maybe_duration {
    use super::{Deserialize, Deserializer, Duration, Serializer, Written};

    pub(in crate::config) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        Option::<Written>::deserialize(from)?.map(Written::parse).transpose()
    }

    #[expect(clippy::ref_option, reason = "the form that serde calls")]
    pub(in crate::config) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => to.collect_str(&humantime::format_duration(*duration)),
            None => to.serialize_none(),
        }
    }
}

impl<'de> Deserialize<'de> for StartTimeout {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(from)?;
        let off = matches!(&written, Written::Text(text) if text == "off");
        if off { Ok(Self(None)) } else { written.parse().map(Some).map(Self) }
    }
}

impl Serialize for StartTimeout {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(duration) => to.collect_str(&humantime::format_duration(duration)),
            None => to.serialize_str("off"),
        }
    }
}
