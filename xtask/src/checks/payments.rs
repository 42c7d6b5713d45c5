//! `checks/payments.py`: Stripe's official SDK and another's stand-in for Stripe judge our adapter and our simulator.

use std::{path::Path, process::Command};

use super::{Tally, mail::last_line};
use crate::peers::Peers;

/// `debug` is where the simulator and the example `ask` were built.
pub(crate) fn check(peers: &Peers, debug: &Path, tally: &mut Tally) {
    tally.check("payments: by Stripe's SDK and localstripe", || {
        let python = crate::peers::install_for_payments(peers)?;
        let out = peers.out("payments")?;
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
