//! Why a session stopped, in words.

use crate::session::Stop;

/// What happened to the daemon, if that ended the session.
pub fn of_daemon<T>(stop: &Stop<T>) -> Option<&'static str> {
    match stop {
        Stop::DaemonEnded => Some("the daemon ended"),
        Stop::DaemonReplaced => {
            Some("the daemon's process runs another program now (exec): it is traced no more")
        }
        Stop::Done(_) | Stop::Interrupted | Stop::Unread => None,
    }
}
