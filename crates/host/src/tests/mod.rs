//! The server as a client and as an isolate see it: real sockets on both sides, fake isolates.

mod bodies;
mod broker;
mod cron;
mod events;
mod fake;
mod life;
mod load;
mod queues;
mod request_bodies;
mod rig;
mod shell;
mod violations;
