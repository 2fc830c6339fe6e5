//! Composes the layers as the configuration says.

use std::{path::PathBuf, process, sync::Arc};

use reaper_core::{JobId, JobSnapshot, Pipeline};
use reaper_gate::{
    Leases, Notify, Probe,
    advance::SqliteAdvance,
    gate::{CommandGate, GateCommand},
    lease::LeaseDir,
    liveness::{LocalProbe, LocalStop},
    notify::{
        Broadcast, LogNotify,
        telegram::{Telegram, TelegramConfig, Token},
    },
};
use reaper_store::{
    Schema, Store, StoreError,
    sqlite::{Options, SqliteStore},
};

use super::{Exit, Failure};
use crate::{Courier, Deliveries, Parts, Settings, SystemTime, config::Config};

/// An open database and what is around it.
#[derive(Debug)]
pub(super) struct World {
    pub(super) store: Arc<dyn Store>,
    path: PathBuf,
}

impl World {
    /// Opens a database that is up to date, to change something in it.
    pub(super) fn open(config: &Config) -> Result<Self, Failure> {
        let path = existing(config)?;
        let store = SqliteStore::open(&path, options(config))?;
        require_current(&store, config)?;
        Ok(Self { store: Arc::new(store), path })
    }

    /// Opens a database that is up to date, to read from it alone.
    pub(super) fn open_to_read(config: &Config) -> Result<Self, Failure> {
        let path = existing(config)?;
        let store = SqliteStore::open(&path, Options { read_only: true, ..options(config) })?;
        require_current(&store, config)?;
        Ok(Self { store: Arc::new(store), path })
    }

    /// Opens a database and brings it up to date, if it was prepared once.
    pub(super) fn open_up_to_date(config: &Config) -> Result<Self, Failure> {
        let path = existing(config)?;
        let store = SqliteStore::open(&path, options(config))?;
        if !store.pending()?.is_empty() && !store.installed()?.is_empty() {
            for migration in store.migrate()? {
                tracing::info!(migration = migration.name, "brought the database up to date");
            }
        }
        require_current(&store, config)?;
        Ok(Self { store: Arc::new(store), path })
    }

    /// The parts of a reaper.
    pub(super) fn parts(&self, config: &Config) -> Result<Parts, Failure> {
        Ok(Parts {
            store: Arc::clone(&self.store),
            probe: probe(config)?,
            stop: Arc::new(LocalStop::new(local_probe(config)?)),
            gate: Arc::new(gates(config)?),
            advance: Arc::new(self.advance(config)),
            notify: notify(config)?,
            leases: leases(config)?,
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
            None => Err(Failure::new(Exit::NoSuchJob, format!("there is no job {id} in {}", self.path.display()))),
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
            advance: Arc::new(self.advance(config)),
            notify: notify(config)?,
            lease: settings.delivery_lease,
            tries: settings.delivery_tries,
        };
        let limit = keys.len();
        Ok(courier.drain(&reaper_store::outbox::Which::Keys(keys), limit)?)
    }

    fn advance(&self, config: &Config) -> SqliteAdvance {
        let (path, options) = (self.path.clone(), options(config));
        SqliteAdvance::new(Box::new(move || {
            reaper_store::sqlite::connect(&path, options.busy_timeout).map_err(|error| error.to_string())
        }))
    }
}

/// The database's schema, of a database that may not be there yet.
pub(super) fn schema(config: &Config, create: bool) -> Result<Box<dyn Schema>, Failure> {
    let store = if create {
        SqliteStore::create_or_open(&database(config)?, options(config))
    } else {
        SqliteStore::open(&existing(config)?, options(config))
    };
    Ok(Box::new(store?))
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

fn local_probe(config: &Config) -> Result<LocalProbe, Failure> {
    let mut builder = LocalProbe::builder().trust_bare_pids(config.bare_pids);
    if let Some(host) = &config.host {
        builder = builder.host(host);
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

fn require_current(store: &SqliteStore, config: &Config) -> Result<(), Failure> {
    let pending = store.pending()?;
    if pending.is_empty() {
        return Ok(());
    }
    let installed = store.installed()?.len();
    let problem = if installed == 0 {
        "reaper was never set up in it".to_owned()
    } else {
        format!("{} migrations are not run yet", pending.len())
    };
    let database = config.database_url.clone().unwrap_or_default();
    Err(StoreError::NotMigrated { database, problem }.into())
}

fn options(config: &Config) -> Options {
    Options { busy_timeout: config.busy_timeout, ..Options::default() }
}

/// The path of a database that must be there.
fn existing(config: &Config) -> Result<PathBuf, Failure> {
    let path = database(config)?;
    // Where the folder cannot be searched, opening the file says so.
    if matches!(path.try_exists(), Ok(false)) {
        let message =
            format!("cannot open {}: there is no such file; `reaper migrate` creates a database", path.display());
        return Err(Failure::new(Exit::Failed, message));
    }
    Ok(path)
}

/// The database's path.
fn database(config: &Config) -> Result<PathBuf, Failure> {
    let Some(url) = config.database_url.as_deref().filter(|url| !url.is_empty()) else {
        let message =
            "no database is named: use --database-url PATH, DATABASE_URL, or database_url in reaper.toml";
        return Err(Failure::new(Exit::Usage, message));
    };
    if let Some((scheme, _)) = url.split_once("://")
        && scheme != "sqlite"
    {
        let message = format!("{scheme}:// databases are not supported by this version: name a SQLite file");
        return Err(Failure::new(Exit::Usage, message));
    }
    let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")).unwrap_or(url);
    if path.is_empty() || path == ":memory:" {
        let message = "a database in memory ends with the program: name a file";
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok(PathBuf::from(path))
}
