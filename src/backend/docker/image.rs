//! Which images the nodes and PostgreSQL are made of.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::compose;
use crate::backend::BackendError;

/// The label of images that were made on this machine by `.ci/images`; its value says of what.
const MADE_HERE: &str = "labrunner.image";
/// A Redis image is some 50 MB; on a slow line that takes minutes.
const PULL_TIME: Duration = Duration::from_secs(15 * 60);

/// What an image is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// The nodes and the toolbox.
    Nodes,
    /// PostgreSQL and psql.
    Postgres,
}

impl Use {
    /// The value of the label of images that were made here for this.
    fn label(self) -> &'static str {
        match self {
            Use::Nodes => "redis",
            Use::Postgres => "postgres",
        }
    }

    /// The variable that names another image.
    fn variable(self) -> &'static str {
        match self {
            Use::Nodes => "LAB_REDIS_IMAGE",
            Use::Postgres => "LAB_POSTGRES_IMAGE",
        }
    }

    /// The image that docker-compose.yml names for it.
    pub(super) fn default(self) -> &'static str {
        let named = compose::default_image(compose::DEFINITION, self.variable());
        named.unwrap_or(self.label())
    }

    fn as_asked(self) -> &'static str {
        match self {
            Use::Nodes => "as LAB_REDIS_IMAGE says",
            Use::Postgres => "as LAB_POSTGRES_IMAGE says",
        }
    }
}

/// The image chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Image {
    /// As docker calls it: `redis:7.2`.
    pub(super) reference: String,
    /// Why this one, to be said after its name: `as docker-compose.yml says`.
    pub(super) why: &'static str,
    /// What it is for.
    pub(super) used: Use,
}

/// The reference of the image of PostgreSQL: the one chosen, or, where none was looked for, the one that would be asked for first.
pub(super) fn reference_of(chosen: Option<&Image>, asked_for: Option<String>) -> String {
    chosen
        .map(|image| image.reference.clone())
        .or(asked_for)
        .unwrap_or_else(|| Use::Postgres.default().to_owned())
}

/// Chooses: the one asked for; else the one that the compose file names, if it is here; else the newest that was made here; else
/// the compose file's after all. Says also whether the one chosen is on this machine; nothing is downloaded.
///
/// # Errors
/// When docker can't say what it has.
pub(super) async fn choose(
    client: &Client,
    used: Use,
    named_by_compose: &str,
    asked_for: Option<&str>,
) -> Result<(Image, bool), BackendError> {
    if let Some(reference) = asked_for {
        let image = Image {
            reference: reference.to_owned(),
            why: used.as_asked(),
            used,
        };
        return Ok((image, is_here(client, reference).await?));
    }
    let ours = format!("label={MADE_HERE}={}", used.label());
    let made_here = [
        "image",
        "ls",
        "--filter",
        &ours,
        "--format",
        "{{.Repository}}:{{.Tag}}",
    ];
    let (default_is_here, made_here) =
        tokio::join!(is_here(client, named_by_compose), client.lines(&made_here));
    let default = Image {
        reference: named_by_compose.to_owned(),
        why: "as docker-compose.yml says",
        used,
    };
    if default_is_here? {
        return Ok((default, true));
    }
    // Docker lists the newest first. An image whose tag went to a newer one reads `<none>:<none>`.
    Ok(
        match made_here?
            .into_iter()
            .find(|reference| !reference.contains("<none>"))
        {
            Some(reference) => (
                Image {
                    reference,
                    why: "made on this machine by .ci/images",
                    used,
                },
                true,
            ),
            None => (default, false),
        },
    )
}

async fn is_here(client: &Client, reference: &str) -> Result<bool, BackendError> {
    Ok(client
        .ask(&["image", "inspect", "--format", "{{.Id}}", reference])
        .await?
        .succeeded())
}

/// Downloads an image that is not here, if that is allowed.
///
/// # Errors
/// `Unavailable`, when it is not allowed, or with docker's words when it does not work.
pub(super) async fn fetch(client: &Client, image: &Image, pull: bool) -> Result<(), BackendError> {
    let reference = &image.reference;
    let ways = format!(
        "`docker pull {reference}`, name another image in {}, or make one from Debian's packages with `.ci/images`",
        image.used.variable()
    );
    let needed = match image.used {
        Use::Nodes => "",
        Use::Postgres => ", and a lab needs PostgreSQL",
    };
    if !pull {
        return Err(BackendError::Unavailable {
            what: format!("the image {reference} is not on this machine{needed}"),
            help: format!("{ways}; with `--backend docker` it is pulled for you"),
        });
    }
    let ended = client
        .run(
            ["pull", "--quiet", reference],
            PULL_TIME,
            &CancellationToken::new(),
        )
        .await?;
    if ended.succeeded() {
        return Ok(());
    }
    Err(BackendError::Unavailable {
        what: format!(
            "the image {reference} is not on this machine and can't be pulled{needed}: {}",
            ended.complaint()
        ),
        help: ways,
    })
}

#[cfg(test)]
mod tests {
    use super::super::executable::write_executable;
    use super::*;
    use rstest::rstest;

    /// A docker that has these images, one made by `.ci/images` if so said, and a registry that has `redis:7.2` alone.
    fn fake(here: &str, made_here: &str) -> (tempfile::TempDir, Client) {
        let folder = tempfile::tempdir().expect("a folder");
        let script = format!(
            "case \"$1 $2\" in
            'image inspect') for i in {here} none; do [ \"$5\" = \"$i\" ] && exit 0; done; exit 1 ;;
            'image ls') printf '%s' '{made_here}' ;;
            'pull --quiet') [ \"$3\" = redis:7.2 ] || {{ echo \"manifest for $3 not found\" >&2; exit 1; }} ;;
            esac"
        );
        write_executable(&folder.path().join("docker"), &script);
        let client = Client::find(folder.path().as_os_str()).expect("found");
        (folder, client)
    }

    #[rstest]
    #[case::asked_for(
        "redis:7.2 mine",
        "",
        Some("mine"),
        false,
        "mine, as LAB_REDIS_IMAGE says"
    )]
    #[case::compose(
        "redis:7.2",
        "labrunner-redis:1\n",
        None,
        false,
        "redis:7.2, as docker-compose.yml says"
    )]
    #[case::made_here(
        "",
        "<none>:<none>\nlabrunner-redis:2\nlabrunner-redis:1\n",
        None,
        true,
        "labrunner-redis:2, made on this machine by .ci/images"
    )]
    #[case::pulled("", "", None, true, "redis:7.2, as docker-compose.yml says")]
    #[case::none("", "", None, false, "the image redis:7.2 is not on this machine")]
    #[case::asked_for_and_not_here(
        "redis:7.2",
        "",
        Some("mine"),
        false,
        "the image mine is not on this machine"
    )]
    #[case::nowhere(
        "redis:7.2",
        "",
        Some("mine"),
        true,
        "the image mine is not on this machine and can't be pulled: manifest for mine not found"
    )]
    #[tokio::test]
    async fn chooses(
        #[case] here: &str,
        #[case] made_here: &str,
        #[case] asked_for: Option<&str>,
        #[case] pull: bool,
        #[case] expected: &str,
    ) {
        let (_folder, client) = fake(here, made_here);
        let (image, is_here) = choose(&client, Use::Nodes, "redis:7.2", asked_for)
            .await
            .expect("docker answers");
        let fetched = if is_here {
            Ok(())
        } else {
            fetch(&client, &image, pull).await
        };
        let said = fetched.map_or_else(
            |error| error.to_string(),
            |()| format!("{}, {}", image.reference, image.why),
        );
        assert_eq!(said, expected);
    }
}
