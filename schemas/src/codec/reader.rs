//! A writer's schema compiled to the steps that read its data as actions.

use apache_avro::Schema;
use apache_avro::schema::RecordSchema;
use nowfold_core::serde::SerdeError;
use nowfold_core::serde::avro::{Cursor, DatumError, Node, NodeId, Plan};
use nowfold_core::time::Timestamp;

use super::attribute::read_set;
use super::fields::{Text, is_number, is_text, number, text};
use super::intern::Interner;
use super::shape::{Shape, Shapes};
use crate::action::{Action, Op};

const FORMAT: &str = "schema of actions";

/// Reads actions from data of one schema.
#[derive(Debug)]
pub(super) struct ActionReader {
    plan: Plan,
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    name: Box<str>,
    target: Target,
}

/// Where a field of the datum goes.
#[derive(Debug)]
enum Target {
    Skip(NodeId),
    Actor(NodeId),
    Verb(NodeId),
    Object(NodeId),
    EventId(NodeId),
    Op(NodeId),
    Sequence(NodeId),
    /// Its unit: how many of it make a millisecond.
    Timestamp(NodeId, i64),
    ActorAttributes(Shape),
    VerbAttributes(Shape),
    ObjectAttributes(Shape),
}

impl ActionReader {
    /// Compiles a writer's schema.
    ///
    /// # Errors
    /// [`SerdeError::Invalid`] when it is no record, lacks actor, verb or object, or gives a field a type that cannot be
    /// read as what the field means.
    pub(super) fn compile(schema: &Schema) -> Result<Self, SerdeError> {
        let plan = Plan::compile(schema)?;
        let (Node::Record(record), Schema::Record(source)) = (plan.node(plan.root()), schema) else {
            return Err(SerdeError::invalid(FORMAT, "it is not a record"));
        };
        let mut shapes = Shapes::new(&plan);
        let mut steps = Vec::with_capacity(record.fields.len());
        for (name, id) in &record.fields {
            let target = Target::compile(&plan, &mut shapes, source, name, *id)?;
            steps.push(Step { name: (&**name).into(), target });
        }
        check_complete(&steps)?;
        Ok(Self { plan, steps })
    }

    /// Reads the action at `cursor`, which ends with it.
    pub(super) fn read(&self, cursor: Cursor<'_>) -> Result<Action, DatumError> {
        Interner::with(|interner| self.read_with(cursor, interner))
    }

    fn read_with(&self, mut cursor: Cursor<'_>, interner: &mut Interner) -> Result<Action, DatumError> {
        let mut action = Action::default();
        for step in &self.steps {
            self.step(&step.target, &mut cursor, interner, &mut action).map_err(|error| error.in_field(&step.name))?;
        }
        cursor.finish()?;
        Ok(action)
    }

    fn step(
        &self,
        target: &Target,
        cursor: &mut Cursor<'_>,
        interner: &mut Interner,
        action: &mut Action,
    ) -> Result<(), DatumError> {
        let plan = &self.plan;
        match target {
            Target::Skip(id) => plan.skip(cursor, *id, 1)?,
            Target::Actor(id) => action.actor = text(plan, *id, cursor)?.map(Text::into_arc).unwrap_or_default(),
            Target::Object(id) => action.object = text(plan, *id, cursor)?.map(Text::into_arc).unwrap_or_default(),
            Target::EventId(id) => action.event_id = text(plan, *id, cursor)?.map(Text::into_arc).unwrap_or_default(),
            Target::Verb(id) => {
                action.verb = match plan.node(*id) {
                    Node::Text => interner.read_name(cursor)?,
                    _ => text(plan, *id, cursor)?.map(Text::into_arc).unwrap_or_default(),
                };
            }
            Target::Op(id) => action.op = self.op(*id, cursor)?,
            Target::Sequence(id) => action.sequence = number(plan, *id, cursor)?,
            Target::Timestamp(id, unit) => {
                let time = number(plan, *id, cursor)?;
                action.timestamp = time.map(|time| Timestamp::from_millis(time.div_euclid(*unit)));
            }
            Target::ActorAttributes(shape) => action.actor_attributes = read_set(plan, shape, cursor, interner)?,
            Target::VerbAttributes(shape) => action.verb_attributes = read_set(plan, shape, cursor, interner)?,
            Target::ObjectAttributes(shape) => action.object_attributes = read_set(plan, shape, cursor, interner)?,
        }
        Ok(())
    }

    /// Reads an op; null is [`Op::Act`]. An unknown one is an error: undoing must not pass for acting.
    fn op(&self, id: NodeId, cursor: &mut Cursor<'_>) -> Result<Op, DatumError> {
        match text(&self.plan, id, cursor)? {
            None => Ok(Op::Act),
            Some(Text::Borrowed(name)) => {
                Op::parse(name).ok_or_else(|| cursor.error(format_args!("there is no op {name:?}")))
            }
            Some(Text::Number(n)) => Err(cursor.error(format_args!("there is no op {n}"))),
        }
    }
}

impl Target {
    fn compile(
        plan: &Plan,
        shapes: &mut Shapes<'_>,
        record: &RecordSchema,
        name: &str,
        id: NodeId,
    ) -> Result<Self, SerdeError> {
        let text = |target: fn(NodeId) -> Self| {
            expect(is_text(plan, id), name, "text, bytes, an enum or a whole number").map(|()| target(id))
        };
        let whole = || expect(is_number(plan, id), name, "a whole number");
        match name {
            "actor" => text(Self::Actor),
            "verb" => text(Self::Verb),
            "object" => text(Self::Object),
            "eventId" | "event_id" => text(Self::EventId),
            "op" => text(Self::Op),
            "sequence" => whole().map(|()| Self::Sequence(id)),
            "timestamp" => whole().map(|()| Self::Timestamp(id, unit(record, name))),
            "actorAttributes" | "actor_attributes" => shapes.of_set(name, id).map(Self::ActorAttributes),
            "verbAttributes" | "verb_attributes" => shapes.of_set(name, id).map(Self::VerbAttributes),
            "objectAttributes" | "object_attributes" => shapes.of_set(name, id).map(Self::ObjectAttributes),
            _ => Ok(Self::Skip(id)),
        }
    }
}

fn expect(holds: bool, field: &str, what: &str) -> Result<(), SerdeError> {
    if holds { Ok(()) } else { Err(SerdeError::invalid(FORMAT, format_args!("field {field} must be {what}, or null"))) }
}

fn check_complete(steps: &[Step]) -> Result<(), SerdeError> {
    let missing: Vec<_> =
        ["actor", "verb", "object"].into_iter().filter(|name| !steps.iter().any(|step| *step.name == **name)).collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(SerdeError::invalid(FORMAT, format_args!("it has no field {}", missing.join(" and no field "))))
    }
}

/// How many units of a time field make a millisecond, by its logical type.
fn unit(record: &RecordSchema, field: &str) -> i64 {
    let schema = record.fields.iter().find(|candidate| candidate.name == field).map(|field| &field.schema);
    let branches = match schema {
        Some(Schema::Union(union)) => union.variants(),
        Some(schema) => std::slice::from_ref(schema),
        None => &[],
    };
    branches.iter().map(unit_of).max().unwrap_or(1)
}

const fn unit_of(schema: &Schema) -> i64 {
    match schema {
        Schema::TimestampMicros | Schema::LocalTimestampMicros => 1_000,
        Schema::TimestampNanos | Schema::LocalTimestampNanos => 1_000_000,
        _ => 1,
    }
}
