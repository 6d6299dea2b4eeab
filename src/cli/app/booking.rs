//! Paying for a hold, and all of a reservation in one.

use clap::Args;
use serde_json::{Value, json};

use super::database::settings_of;
use super::events::count;
use super::pattern;
use super::said::Said;
use super::{exit, seats};
use crate::app::flow::{Flow, Paid, Sold};
use crate::app::ledger::Ledger;
use crate::app::patterns::CacheAside;
use crate::app::patterns::cache_aside::Ages;
use crate::app::payment::{Manner, TestGateway};
use crate::app::request::{Reserve, Settle, User, Wanted};
use crate::app::settings::duration;
use crate::app::{AppError, Refusal, Seat, Settings, Store};

/// How the gateway behaves, which is built in and moves no money.
#[derive(Debug, Args)]
struct OfGateway {
    /// How the gateway behaves, which is built in and moves no money: ok, fail, slow, twice
    #[arg(long, value_name = "MANNER", default_value = "ok")]
    gateway: String,

    /// How long a slow gateway takes
    #[arg(long, value_name = "TIME", default_value = "3s")]
    gateway_delay: String,

    /// How long the gateway is waited for
    #[arg(long, value_name = "TIME", default_value = "10s")]
    gateway_time: String,
}

/// Pay for a hold, and make it a sale
///
/// If the seats can't be had any more when the gateway has answered, the money goes back. Asked again with the same --key it goes on where it
/// was, and nothing is paid twice.
#[derive(Debug, Args)]
pub struct Pay {
    /// The id of the event
    #[arg(long, value_name = "ID")]
    event: String,

    /// The reservation, as `reserve` printed it
    #[arg(long)]
    reservation: String,

    /// Who pays; only the holder may
    #[arg(long)]
    user: String,

    /// The fencing token of the reservation, if it is to be checked
    #[arg(long)]
    token: Option<u64>,

    /// The operation's id: asked twice with the same one, it is done once [default: a new one]
    #[arg(long, value_name = "OPERATION-ID")]
    key: Option<String>,

    #[command(flatten)]
    gateway: OfGateway,
}

/// All of a reservation: log in, look, hold, pay, confirm
///
/// Asked again with the same --key it goes on where it was, and nothing is held or paid twice.
#[derive(Debug, Args)]
pub struct Book {
    /// The id of the event
    #[arg(long, value_name = "ID")]
    event: String,

    /// Any so many seats, the first that are free
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    seats: i64,

    /// For whom
    #[arg(long)]
    user: String,

    /// For how long they are held
    #[arg(long, value_name = "TIME", default_value = "5m")]
    hold: String,

    /// The operation's id: asked twice with the same one, it is done once [default: a new one]
    #[arg(long, value_name = "OPERATION-ID")]
    key: Option<String>,

    #[command(flatten)]
    gateway: OfGateway,
}

impl OfGateway {
    async fn flow(
        &self,
        settings: Settings,
    ) -> Result<(Store, Ledger, Flow<TestGateway>), AppError> {
        let manner: Manner = self.gateway.parse()?;
        let gateway = TestGateway::new(manner, duration(&self.gateway_delay)?);
        let patience = duration(&self.gateway_time)?;
        let of_ledger = settings_of(&settings, "a payment")?;
        let (ledger, store) = tokio::join!(Ledger::connect(&of_ledger), Store::connect(settings));
        let (ledger, store) = (ledger?, store?);
        let flow = Flow::new(store.clone(), ledger.clone(), gateway).gateway_within(patience);
        Ok((store, ledger, flow))
    }
}

/// Pays.
pub async fn pay(arguments: Pay, settings: Settings) -> Result<Said, AppError> {
    let request = Settle {
        event: arguments.event.parse()?,
        reservation: arguments.reservation.parse()?,
        user: arguments.user.parse()?,
        token: arguments.token,
        operation: seats::operation(&arguments.key)?,
    };
    let (_, _, flow) = arguments.gateway.flow(settings).await?;
    Ok(paid(&flow.pay(&request).await?, &request))
}

/// Gives seats back, and the money if they were paid.
pub async fn cancel(settings: Settings, request: &Settle) -> Result<Said, AppError> {
    let of_ledger = settings_of(&settings, "this pattern")?;
    let (ledger, store) = tokio::join!(Ledger::connect(&of_ledger), Store::connect(settings));
    let gateway = TestGateway::new(Manner::Ok, std::time::Duration::ZERO);
    let (written, payment) = Flow::new(store?, ledger?, gateway).cancel(request).await?;
    let (more, json) = pattern::behind(&written.behind);
    let said = seats::said_cancelled(&written.done, request).and(&more, json);
    Ok(match payment {
        None => said,
        Some(payment) => said.and(
            &format!("\n  {} went back", cents(payment.cents)),
            json!({"payment": payment}),
        ),
    })
}

/// Does all of a reservation.
pub async fn book(arguments: Book, settings: Settings) -> Result<Said, AppError> {
    let user: User = arguments.user.parse()?;
    let hold = Reserve {
        event: arguments.event.parse()?,
        wanted: Wanted::Any(count(arguments.seats, "a reservation")?),
        user: user.clone(),
        hold: duration(&arguments.hold)?,
        operation: seats::operation(&arguments.key)?,
    };
    hold.check()?;
    let (store, ledger, flow) = arguments.gateway.flow(settings).await?;
    let session = store
        .log_in(&user, std::time::Duration::from_secs(1800))
        .await?;
    let cache = CacheAside::new(store.clone(), ledger, Ages::default());
    let (sheet, source) = cache.sheet(&hold.event).await?;
    let Some(sheet) = sheet else {
        return Err(AppError::Refused(Refusal::UnknownEvent {
            event: hold.event.to_string(),
        }));
    };
    let held = flow.hold(&hold).await?;
    let request = Settle {
        event: hold.event.clone(),
        reservation: held.reservation.clone(),
        user,
        token: Some(held.token),
        operation: hold.operation.clone(),
    };
    let paid = self::paid(&flow.pay(&request).await?, &request);
    let labels: Vec<&str> = held.seats.iter().map(Seat::as_str).collect();
    let text = format!(
        "Session of {}, event {} ({} of {} seats sold, by the {})\nHeld {} as {}\n{}",
        session.user,
        sheet.name,
        sheet.sold,
        sheet.seats,
        match source {
            crate::app::patterns::cache_aside::Source::Cache => "cache",
            crate::app::patterns::cache_aside::Source::Ledger => "ledger",
        },
        labels.join(" "),
        held.reservation,
        paid.text
    );
    let more = json!({"session": session.id, "held": labels, "browsed_from": source});
    Ok(Said { text, ..paid }.and("", more))
}

fn paid(paid: &Paid, request: &Settle) -> Said {
    let mut json = json!({
        "event": request.event.as_str(), "reservation": request.reservation.as_str(),
        "user": request.user.as_str(), "operation": request.operation.as_str(),
    });
    let mut add = |result: &str, payment: Value| {
        if let Some(object) = json.as_object_mut() {
            object.insert("result".to_owned(), json!(result));
            object.insert("payment".to_owned(), payment);
        }
    };
    let (text, code) = match paid {
        Paid::Sold(sold) => {
            let Sold { confirmed, payment } = sold.as_ref();
            add("sold", json!(payment));
            let labels: Vec<&str> = confirmed.done.seats.iter().map(Seat::as_str).collect();
            let (more, behind) = pattern::behind(&confirmed.behind);
            let text = format!(
                "Reservation {} is paid ({}) and confirmed: {} for {}",
                request.reservation,
                cents(payment.cents),
                labels.join(" "),
                request.user
            );
            let more_json = json!({"seats": labels, "token": confirmed.done.token});
            return Said::done(text, json).and(&more, behind).and("", more_json);
        }
        Paid::Declined(payment) => {
            add("declined", json!(payment));
            (
                format!(
                    "The gateway does not take the money for reservation {}; the hold ends at its time",
                    request.reservation
                ),
                exit::DECLINED,
            )
        }
        Paid::Unanswered(payment) => {
            add("unanswered", json!(payment));
            (
                format!(
                    "The gateway has not answered; whether it takes the money is not known\n  ask again with --key {}",
                    request.operation
                ),
                exit::UNKNOWN,
            )
        }
        Paid::Refunded(payment, refusal) => {
            add("refunded", json!(payment));
            let text = format!(
                "{refusal}\n  {} {}",
                cents(payment.cents),
                match payment.state {
                    crate::app::ledger::PaymentState::Refunded => "went back",
                    _ =>
                        "have to go back, and the gateway did not do it yet: ask again with the same --key",
                }
            );
            (text, exit::of(&AppError::Refused(refusal.clone())))
        }
    };
    Said { text, json, code }
}

fn cents(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}
