//! The configuration: `reaper.toml`, then `REAPER_*`, then flags, later ones over earlier ones.

mod load;
mod shape;
mod span;
#[cfg(test)]
mod tests;

pub use load::{ConfigError, Flags, load};
pub use shape::{
    AgentConfig, BackoffConfig, BreakerConfig, Config, ExitConfig, GateConfig, LeaseConfig, NodeConfig,
    NotifyConfig, PipelineConfig, Pooling, StageConfig, TelegramConfig,
};
pub use span::StartTimeout;
