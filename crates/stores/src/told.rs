//! Errors that the log hears of once: a store that stays broken fills no log.

use std::sync::{Mutex, PoisonError};

/// The error that the log was last told of.
#[derive(Debug)]
pub struct Told<T>(Mutex<Option<T>>);

impl<T> Default for Told<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone + PartialEq> Told<T> {
    /// Whether an error is another than the last one, and is to be told; it is the last one from here on.
    pub fn is_news(&self, error: &T) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.as_ref() == Some(error) {
            return false;
        }
        *told = Some(error.clone());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_is_no_news() {
        let told = Told::default();
        let heard = ["a", "a", "b", "a"].map(|error| told.is_news(&error));
        assert_eq!(heard, [true, false, true, true]);
    }
}
