//! The simulator of Stripe as a program of its own. Prints its address when it is ready.
#![expect(
    clippy::print_stdout,
    reason = "printing is what a command-line program is for"
)]

use std::{error::Error, net::SocketAddr, process::ExitCode};

use domain::Timestamp;
use payments::{
    Secret,
    simulator::{Simulator, SimulatorOptions},
};
use tokio::net::TcpListener;

const USAGE: &str = "\
usage: payments-simulator [options]

A stand-in for Stripe on this machine. No money moves.

  --listen ADDRESS         where to listen; 127.0.0.1:4290 if absent
  --api-key KEY            what requests must show; sk_test_simulator if absent
  --webhook-url URL        where webhooks go
  --webhook-secret SECRET  what they are signed with; whsec_simulator if absent
  --copies N               how often each webhook is sent
  --delay-ms N             how late they are
  --reversed               tell what happened last first
  --lost                   send none, only list them

While it runs, POST /_simulator/webhooks and /_simulator/faults change what goes wrong.";

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("payments-simulator: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut options = SimulatorOptions::new("", Timestamp::now());
    let mut listen = "127.0.0.1:4290".to_owned();
    let mut words = std::env::args().skip(1);
    while let Some(name) = words.next() {
        let mut value = || {
            words
                .next()
                .ok_or_else(|| format!("{name} needs a value\n\n{USAGE}"))
        };
        match name.as_str() {
            "--listen" => listen = value()?,
            "--api-key" => options.api_key = Secret::new(&value()?),
            "--webhook-url" => options.webhooks.url = Some(value()?),
            "--webhook-secret" => options.webhook_secret = Secret::new(&value()?),
            "--copies" => options.webhooks.copies = value()?.parse()?,
            "--delay-ms" => options.webhooks.delay_ms = value()?.parse()?,
            "--reversed" => options.webhooks.reversed = true,
            "--lost" => options.webhooks.lost = true,
            "--help" => {
                println!("{USAGE}");
                return Ok(());
            }
            other => return Err(format!("there is no option {other}\n\n{USAGE}").into()),
        }
    }
    let address: SocketAddr = listen.parse()?;
    // Before anything listens: whoever reaches it can pay without money.
    if !address.ip().is_loopback() {
        return Err(format!("{address} is not on this machine alone; use 127.0.0.1 or ::1").into());
    }
    let listener = TcpListener::bind(address).await?;
    options.url = format!("http://{}", listener.local_addr()?);
    println!("{}", options.url);
    Ok(Simulator::new(options)?.serve(listener).await?)
}
