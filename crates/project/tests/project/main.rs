//! Projects on disk, loaded through the public entrance.

mod assets;
mod bindings;
mod cron;
mod discovery;
mod environments;
mod flags;
mod folder;
mod queues;
mod reports;
mod resolved;
mod robustness;
mod secret_file;
mod secrets;
