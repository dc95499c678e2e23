//! What the executor's parts share: the settings in force, the tools that were found, a lock that outlives a panic.

use crate::process::Tools;
use crate::settings::Settings;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// A thread that died while it held the lock leaves plain data behind, each part whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Root's settings: whoever holds this sees new ones at once.
#[derive(Debug, Clone)]
pub(super) struct SettingsInForce(Arc<RwLock<Arc<Settings>>>);

impl SettingsInForce {
    pub(super) fn new(settings: Settings) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(settings))))
    }

    pub(super) fn get(&self) -> Arc<Settings> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn replace(&self, settings: Settings) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }
}

/// The host's tools as they were found last.
#[derive(Debug, Clone)]
pub(super) struct KnownTools(Arc<RwLock<Tools>>);

impl KnownTools {
    pub(super) fn new(tools: Tools) -> Self {
        Self(Arc::new(RwLock::new(tools)))
    }

    pub(super) fn get(&self) -> Tools {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A package may have come or gone since.
    pub(super) fn refresh(&self) -> Tools {
        self.0.write().unwrap_or_else(PoisonError::into_inner).refresh();
        self.get()
    }
}
