//! The database that a lab starts from: as `given: {postgres: …}` says, and nothing in it of the lab before.

use std::time::Duration;

use super::environment::Environment;
use super::event::Event;
use super::task::OUTPUT_KEPT;
use super::trouble::Trouble;
use super::world::World;
use crate::backend::Backend;
use crate::cluster::NodeName;
use crate::lab::action::{Action, AppCall, Limits};
use crate::lab::environment::POSTGRES;
use crate::lab::model::GivenPostgres;

/// To make the application's tables takes less than a second; a machine under load needs longer.
const MIGRATE: Duration = Duration::from_secs(60);

/// Makes it, or, for a lab that asks for none, removes what the lab before has left.
pub(super) async fn make(
    world: &World,
    environment: &Environment,
    wanted: Option<GivenPostgres>,
) -> Result<(), Trouble> {
    let cancel = &world.interrupt.soft;
    let Some(wanted) = wanted else {
        if environment.has_postgres() {
            environment.remove_postgres(cancel).await?;
        }
        return Ok(());
    };
    let url = environment.make_postgres(cancel).await?;
    world.set_database(&url)?;
    world.alive.note_started(&[NodeName::new(POSTGRES)]);
    match wanted {
        GivenPostgres::Empty => Ok(()),
        GivenPostgres::Migrated => migrate(world, environment).await,
    }
}

/// Makes the application's tables, by the application's own command.
async fn migrate(world: &World, environment: &Environment) -> Result<(), Trouble> {
    let action = Action::App(AppCall {
        words: ["migrate", "up"].map(str::to_owned).to_vec(),
    });
    let limits = Limits {
        time: MIGRATE,
        output: OUTPUT_KEPT,
    };
    let cancel = &world.interrupt.soft;
    let output = environment.perform(&action, limits, cancel).await?;
    if output.exit == Some(0) {
        return Ok(());
    }
    if cancel.is_cancelled() {
        return Err(Trouble::Interrupted);
    }
    world.emit(Event::GivenPhase {
        phase: "`./app migrate up` failed".to_owned(),
    });
    let said: Vec<&str> = output.combined.split_whitespace().collect();
    Err(Trouble::broken(
        format!("the application's tables can't be made: {}", said.join(" ")),
        "see what `./app migrate status` says; `given: {postgres: empty}` leaves them out",
    ))
}
