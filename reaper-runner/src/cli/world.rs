//! Composes the layers as the configuration says.

use std::{process, sync::Arc};

use reaper_core::{JobId, JobSnapshot, Pipeline};
use reaper_gate::{
    Leases, Notify, Probe,
    gate::{CommandGate, GateCommand},
    lease::LeaseDir,
    liveness::{Cgroups, LocalProbe, LocalStop},
    notify::{
        Broadcast, LogNotify,
        telegram::{Telegram, TelegramConfig, Token},
    },
};
use reaper_store::{Schema, Store};

use super::{
    Exit, Failure,
    database::{Access, Database},
};
use crate::{Courier, Deliveries, Parts, Settings, SystemTime, config::Config};

/// An open database and what is around it.
#[derive(Debug)]
pub(super) struct World {
    pub(super) store: Arc<dyn Store>,
    database: Database,
}

impl World {
    /// Opens a database that is up to date, to change something in it.
    pub(super) fn open(config: &Config) -> Result<Self, Failure> {
        let database = Database::named(config)?;
        Ok(Self { store: database.open_current(config, Access::Write)?, database })
    }

    /// Opens a database that is up to date, to read from it alone.
    pub(super) fn open_to_read(config: &Config) -> Result<Self, Failure> {
        let database = Database::named(config)?;
        Ok(Self { store: database.open_current(config, Access::Read)?, database })
    }

    /// Opens a database and brings it up to date, if it was prepared once.
    pub(super) fn open_up_to_date(config: &Config) -> Result<Self, Failure> {
        let database = Database::named(config)?;
        let store = database.open(config, Access::Write)?;
        if !store.pending()?.is_empty() && !store.installed()?.is_empty() {
            for migration in store.migrate()? {
                tracing::info!(migration = migration.name, "brought the database up to date");
            }
        }
        database.require_current(store.as_ref())?;
        Ok(Self { store, database })
    }

    /// The parts of a reaper.
    pub(super) fn parts(&self, config: &Config) -> Result<Parts, Failure> {
        Ok(Parts {
            store: Arc::clone(&self.store),
            probe: probe(config)?,
            stop: Arc::new(local_stop(config)?),
            gate: Arc::new(gates(config)?),
            advance: self.database.advance(config)?,
            notify: notify(config)?,
            leases: leases(config)?,
            watch: None,
            time: Arc::new(SystemTime::new()),
        })
    }

    /// The settings of a reaper.
    #[expect(clippy::unused_self, reason = "settings are asked of the world that they are for")]
    pub(super) fn settings(&self, config: &Config) -> Result<Settings, Failure> {
        let host = local_probe(config)?.host().to_owned();
        let name = format!("{host}:{}", process::id());
        config
            .settings(name)
            .map_err(|error| Failure::new(Exit::Usage, format!("configuration: pipeline: {error}")))
    }

    /// One job that parses.
    pub(super) fn job(&self, id: &JobId) -> Result<JobSnapshot, Failure> {
        match self.store.job(id)? {
            Some(Ok(job)) => Ok(job),
            Some(Err(bad)) => Err(Failure::new(Exit::NoSuchJob, bad.to_string())),
            None => Err(Failure::new(Exit::NoSuchJob, format!("there is no job {id} in {}", self.database))),
        }
    }

    /// Tasks that nothing works on; none can be told without a pipeline.
    pub(super) fn stalled(&self, pipeline: &Pipeline) -> Result<Vec<reaper_store::facts::StalledTask>, Failure> {
        let is_final = |stage: &&reaper_core::pipeline::Stage| stage.next.is_none();
        let finals: Vec<String> = pipeline.stages().iter().filter(is_final).map(|s| s.name.clone()).collect();
        if pipeline.stages().is_empty() { Ok(Vec::new()) } else { Ok(self.store.stalled(&finals, 100)?) }
    }

    /// Delivers the effects of these keys.
    pub(super) fn deliver(&self, config: &Config, keys: Vec<String>) -> Result<Deliveries, Failure> {
        let settings = Settings::default();
        let courier = Courier {
            store: Arc::clone(&self.store),
            advance: self.database.advance(config)?,
            notify: notify(config)?,
            lease: config.delivery_lease,
            tries: settings.delivery_tries,
        };
        let limit = keys.len();
        Ok(courier.drain(&reaper_store::outbox::Which::Keys(keys), limit)?)
    }
}

/// The database's schema, of a database that may not be there yet.
pub(super) fn schema(config: &Config, create: bool) -> Result<Arc<dyn Schema>, Failure> {
    let access = if create { Access::Create } else { Access::Write };
    Ok(Database::named(config)?.open(config, access)?)
}

/// The lease files, where a folder of them is configured.
pub(super) fn leases(config: &Config) -> Result<Option<Arc<dyn Leases>>, Failure> {
    let Some(dir) = &config.leases.dir else {
        return Ok(None);
    };
    Ok(Some(Arc::new(LeaseDir::new(dir, config.leases.ttl, probe(config)?))))
}

/// What looks at processes.
pub(super) fn probe(config: &Config) -> Result<Arc<dyn Probe>, Failure> {
    Ok(Arc::new(local_probe(config)?))
}

/// What stops processes of this host, and lists those that carry an attempt.
pub(super) fn local_stop(config: &Config) -> Result<LocalStop, Failure> {
    Ok(LocalStop::new(local_probe(config)?))
}

pub(super) fn local_probe(config: &Config) -> Result<LocalProbe, Failure> {
    let mut builder = LocalProbe::builder().trust_bare_pids(config.trusts_bare_pids());
    if let Some(host) = &config.host {
        builder = builder.host(host);
    }
    if let Some(folder) = &config.cgroups {
        let refuse = |error| Failure::new(Exit::Usage, format!("configuration: cgroups: {error}"));
        builder = builder.cgroups(Cgroups::in_folder(folder).map_err(refuse)?);
    }
    builder.build().map_err(|error| Failure::new(Exit::Usage, format!("{error}: set `host` in reaper.toml")))
}

pub(super) fn gates(config: &Config) -> Result<CommandGate, Failure> {
    let command = |(name, gate): (&String, &crate::config::GateConfig)| {
        let command =
            GateCommand { dir: gate.cwd.clone(), limit: gate.timeout, ..GateCommand::new(gate.command.clone()) };
        (name.clone(), command)
    };
    CommandGate::new(config.gates.iter().map(command))
        .map_err(|error| Failure::new(Exit::Usage, format!("configuration: gates: {error}")))
}

fn notify(config: &Config) -> Result<Arc<dyn Notify>, Failure> {
    let mut all: Vec<(String, Arc<dyn Notify>)> = vec![("log".to_owned(), Arc::new(LogNotify))];
    if let Some(telegram) = &config.notify.telegram {
        let wrong = |problem: String| Failure::new(Exit::Usage, format!("configuration: notify: {problem}"));
        let token = Token::new(&telegram.token).map_err(|error| wrong(format!("telegram: token: {error}")))?;
        let mut chat = TelegramConfig::new(token, &telegram.chat_id);
        if let Some(base) = &telegram.base_url {
            chat.base.clone_from(base);
        }
        let chat = Telegram::new(chat).map_err(|error| wrong(error.to_string()))?;
        all.push(("telegram".to_owned(), Arc::new(chat)));
    }
    Ok(Arc::new(Broadcast::new(all)))
}
