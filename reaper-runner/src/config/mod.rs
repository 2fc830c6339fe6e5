//! The configuration: `reaper.toml`, then `REAPER_*`, then flags, later ones over earlier ones.

mod beat;
mod exec;
mod limits;
mod load;
mod node;
mod shape;
mod span;
#[cfg(test)]
mod tests;
mod url;

pub use beat::BeatConfig;
pub use exec::ExecConfig;
pub use limits::{AgentConfig, ExitConfig, MaxIntensity};
#[doc(hidden)]
pub use load::load_without_environment;
pub use load::{ConfigError, Flags, load};
pub use node::NodeConfig;
pub use shape::{
    BackoffConfig, BreakerConfig, Config, GateConfig, LeaseConfig, NotifyConfig, PipelineConfig, Pooling,
    StageConfig, TelegramConfig,
};
pub use span::StartTimeout;
pub(crate) use url::sqlite_path;
