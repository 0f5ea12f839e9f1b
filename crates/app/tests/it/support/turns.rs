//! Who may use the machine: many ordinary tests side by side, or one storm alone.

use std::sync::{Condvar, Mutex};

static MACHINE: Machine =
    Machine { users: Mutex::new(Users { ordinary: 0, storm: false }), changed: Condvar::new() };

struct Machine {
    users: Mutex<Users>,
    changed: Condvar,
}

struct Users {
    ordinary: usize,
    storm: bool,
}

/// A place on the machine, as long as the value lives.
pub struct Turn {
    is_storm: bool,
}

impl Turn {
    /// Beside other ordinary tests. A test may take several.
    pub fn ordinary() -> Self {
        let users = MACHINE.users.lock().expect("no panic");
        MACHINE.changed.wait_while(users, |users| users.storm).expect("no panic").ordinary += 1;
        Self { is_storm: false }
    }

    /// Alone.
    pub fn storm() -> Self {
        let users = MACHINE.users.lock().expect("no panic");
        let alone = MACHINE.changed.wait_while(users, |users| users.storm || users.ordinary > 0);
        alone.expect("no panic").storm = true;
        Self { is_storm: true }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut users = MACHINE.users.lock().expect("no panic");
        if self.is_storm {
            users.storm = false;
        } else {
            users.ordinary -= 1;
        }
        MACHINE.changed.notify_all();
    }
}
