//! What the operator orders.

use tracing::info;

use crate::call::cdr::CallDirection;
use crate::call::identity::Context;
use crate::call::moment::Moment;
use crate::call::operator::{ClickToCall, OperatorAnswer, OperatorCommand, Status};
use crate::call::reception::Origin;
use crate::call::switchboard::Switchboard;
use crate::party::{Party, PhoneNumber};

impl Switchboard {
    pub fn handle_operator(&mut self, now: Moment, command: OperatorCommand) -> OperatorAnswer {
        let answer = match command {
            OperatorCommand::Calls => {
                let summaries = self.lines.values().map(|line| line.call.summary());
                OperatorAnswer::Calls(summaries.collect())
            }
            OperatorCommand::HangUp(call) => match self.lines.get_mut(&call) {
                Some(line) => {
                    info!(%call, "the operator ends a call");
                    line.call.shut_down(now);
                    self.settle_line(now, &call);
                    OperatorAnswer::Done
                }
                None => OperatorAnswer::UnknownCall,
            },
            OperatorCommand::Connect(order) => self.connect(now, order),
            OperatorCommand::Status => OperatorAnswer::Status(self.status()),
        };
        self.settle(now);
        answer
    }

    /// What [`OperatorCommand::Status`] answers.
    pub fn status(&self) -> Status {
        let of = |direction| {
            let lines = self.lines.values();
            lines
                .filter(|line| line.call.direction() == direction)
                .count()
        };
        Status {
            fitness: self.fitness(),
            calls: CallDirection::BOTH.map(|direction| (direction, of(direction))),
            peers: self.trunks.peers(),
            no_audio: self.missed.counts(),
            turned_away: self.turned_away.clone(),
        }
    }

    fn connect(&mut self, now: Moment, order: ClickToCall) -> OperatorAnswer {
        match self.order(order) {
            Ok((number, user, origin)) => {
                match self.receive(now, number, Context::of(user), origin) {
                    Ok(call) => OperatorAnswer::Begun(call),
                    Err(ending) => OperatorAnswer::Refused(ending.to_string()),
                }
            }
            Err(why) => OperatorAnswer::Refused(why.to_owned()),
        }
    }

    /// Completes what the order leaves open.
    fn order(&self, order: ClickToCall) -> Result<(PhoneNumber, Party, Origin), &'static str> {
        let config = &self.config;
        if let Party::Other(_) = order.user {
            return Err("the user is neither a number with + nor a user id");
        }
        let of_trunk = || {
            let trunk = config.trunks.get(order.trunk.as_ref()?)?;
            trunk.number.clone()
        };
        let only = || match config.numbers.len() {
            1 => config.numbers.keys().next().cloned(),
            _ => None,
        };
        let number = order.number.clone().or_else(of_trunk).or_else(only);
        let number = number.ok_or("which business number calls? name it")?;
        let settings = config.numbers.get(&number);
        let settings = settings.ok_or("this business number is not configured")?;
        let trunk = order.trunk.unwrap_or_else(|| settings.trunk.clone());
        if !config.trunks.contains_key(&trunk) {
            return Err("there is no such trunk");
        }
        let origin = Origin::Order {
            trunk,
            extension: order.extension,
            first: order.first,
        };
        Ok((number, order.user, origin))
    }
}
