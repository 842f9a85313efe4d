//! The shell connection: what a command of the command line says to the host that keeps the stores, be it a running
//! `isthmus dev` or the command's own process.
//!
//! The command sends one [`Hello`]; the host answers with one [`Welcome`]. From there on the connection is a broker
//! connection ([`crate::Frame`]) on which the command is the side that opens calls. It reaches only what it asked for in
//! its [`Hello`]: channel `n` is its `n`th resource.

use serde::{Deserialize, Serialize};

/// The first frame, from the command. The version comes first, so that it can be read whatever follows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello<'a> {
    /// The version of Isthmus that the command is.
    pub version: &'a str,
    /// What it wants channels to.
    #[serde(borrow)]
    pub resources: Vec<Resource<'a>>,
}

/// Something of the host's that a command works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resource<'a> {
    /// The state folder as a whole: [`crate::state`].
    State,
    /// A queue, with what only commands may do; it is made if it does not exist.
    Queue {
        /// Its name.
        name: &'a str,
    },
    /// A KV namespace; it is made if it does not exist.
    Kv {
        /// Its id.
        id: &'a str,
    },
    /// A store of secrets, which answers as a KV namespace whose keys are their names; it is made if it does not exist.
    Secrets {
        /// Its id.
        id: &'a str,
    },
    /// A D1 database; it is made if it does not exist.
    D1 {
        /// Its id.
        id: &'a str,
    },
    /// An R2 bucket; it is made if it does not exist.
    R2 {
        /// Its name.
        name: &'a str,
    },
}

/// The host's answer to [`Hello`]. What was granted is in the order of [`Hello::resources`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Welcome<'a> {
    /// All of it was granted.
    Granted,
    /// Nothing was; why, as a sentence for the user.
    Refused(&'a str),
    /// The host is another version of Isthmus, namely this one.
    OtherVersion(&'a str),
}
