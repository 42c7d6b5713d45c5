//! A stand-in for a model's provider: `llm-fake ADDRESS SCRIPT.json`.

use std::{env, fs, process::ExitCode};

use llm::testing::{
    fake::{Fake, serve},
    script::Script,
};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "where it is reached is its answer")]
async fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let (Some(address), Some(path)) = (args.next(), args.next()) else {
        eprintln!("llm-fake ADDRESS SCRIPT.json");
        return ExitCode::FAILURE;
    };
    let script = fs::read_to_string(&path).map_err(|error| error.to_string());
    let script = script
        .and_then(|json| serde_json::from_str::<Script>(&json).map_err(|error| error.to_string()));
    let script = match script {
        Ok(script) => script,
        Err(error) => {
            eprintln!("{path}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let listener = match tokio::net::TcpListener::bind(&address).await {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("{address}: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("http://{address}");
    match serve(&Fake::new(script), listener).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
