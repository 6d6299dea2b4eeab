//! The start of a lab: what it starts from, in the environment that stands; where it can't be reached there, in another, so that no lab
//! fails for what an earlier one has left.

use std::sync::Arc;
use std::time::Instant;

use super::database;
use super::environment::Environment;
use super::event::Event;
use super::given;
use super::guard::guarded;
use super::labs::Maker;
use super::reuse;
use super::run::remove;
use super::tell::in_one_sentence;
use super::trouble::Trouble;
use super::world::World;
use crate::backend::Backend;

/// A lab in its environment, and whether what it starts from was made.
pub(super) struct Begun {
    pub world: Arc<World>,
    pub environment: Arc<Environment>,
    pub made: Result<(), Trouble>,
}

impl Begun {
    /// Makes what the lab starts from; where it can't be made in an environment that was used before, in another. `place` puts the lab
    /// into an environment.
    pub async fn begin(
        environment: Arc<Environment>,
        maker: Option<&dyn Maker>,
        started: Instant,
        place: &(impl Fn(Arc<Environment>) -> World + Sync),
    ) -> Begun {
        let was_used = environment.is_used();
        let world = Arc::new(place(environment.clone()));
        if let Some(given) = &world.lab.given {
            world.emit(Event::GivenStarted {
                what: given::in_words(given),
            });
        }
        let begun = Begun::begin_once(world, environment, started).await;
        let (true, Some(maker), Err(trouble)) = (was_used, maker, &begun.made) else {
            return begun;
        };
        if matches!(trouble, Trouble::Interrupted) {
            return begun;
        }
        begun.world.emit(Event::EnvironmentGivenUp {
            why: in_one_sentence(trouble.clone()),
        });
        let left = remove(&begun.environment).await;
        if !left.is_empty() {
            // Another one would meet what is left of this one.
            let what = format!(
                "the environment of the lab before can't be removed: {}",
                left.join("; ")
            );
            let made = Err(Trouble::broken(what, "`labrunner clean` tries again"));
            return Begun { made, ..begun };
        }
        let soft = &begun.world.interrupt.soft;
        let another = tokio::select! {
            biased;
            () = soft.cancelled() => Err(Trouble::Interrupted),
            another = maker.make() => another.map_err(Trouble::from),
        };
        match another {
            Ok(backend) => {
                let environment = Arc::new(Environment::new(backend));
                let world = Arc::new(place(environment.clone()));
                Begun::begin_once(world, environment, started).await
            }
            Err(trouble) => Begun {
                made: Err(trouble),
                ..begun
            },
        }
    }

    async fn begin_once(
        world: Arc<World>,
        environment: Arc<Environment>,
        started: Instant,
    ) -> Begun {
        let made = {
            let (world, environment) = (world.clone(), environment.clone());
            guarded(async move { make_start(&world, &environment, started).await }).await
        };
        Begun {
            world,
            environment,
            made,
        }
    }
}

/// Makes what the lab starts from.
async fn make_start(
    world: &World,
    environment: &Environment,
    started: Instant,
) -> Result<(), Trouble> {
    match &world.lab.given {
        Some(given) => given::make(world, environment, given, started).await,
        None if environment.is_used() => {
            reuse::make_ready(world, environment, &[]).await?;
            database::make(world, environment, None).await
        }
        None => Ok(environment.start(&[], &world.interrupt.soft).await?),
    }
}
