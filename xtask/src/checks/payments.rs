//! `checks/payments.py`: Stripe's official SDK and another's stand-in for Stripe judge our adapter and our simulator.

use std::{path::Path, process::Command};

use super::{Tally, mail::last_line};

/// `debug` is where the simulator and the example `ask` were built.
pub(crate) fn check(debug: &Path, tally: &mut Tally) {
    tally.check("payments: by Stripe's SDK and localstripe", || {
        let (python, out) = crate::peers::install_for_payments()?;
        let mut command = Command::new(python);
        command
            .arg(crate::root().join("checks/payments.py"))
            .arg("--simulator")
            .arg(debug.join("payments-simulator"))
            .arg("--ask")
            .arg(debug.join("examples/ask"));
        last_line(&mut command, &out, "payments")
    });
}
