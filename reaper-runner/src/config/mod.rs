//! The configuration: `reaper.toml`, then `REAPER_*`, then flags, later ones over earlier ones.

mod exec;
mod load;
mod node;
mod shape;
mod span;
#[cfg(test)]
mod tests;
mod url;

pub use exec::ExecConfig;
pub use load::{ConfigError, Flags, load};
pub use node::NodeConfig;
pub use shape::{
    AgentConfig, BackoffConfig, BreakerConfig, Config, ExitConfig, GateConfig, LeaseConfig, NotifyConfig,
    PipelineConfig, Pooling, StageConfig, TelegramConfig,
};
pub use span::StartTimeout;
pub(crate) use url::sqlite_path;
