//! From typed processors to the boxed nodes of a task.

use std::any::Any;
use std::marker::PhantomData;

use super::graph::{Node, NodeContext};
use super::punctuation::Punctuation;
use crate::processor::{ProcessError, Processor, ProcessorContext};
use crate::record::Record;

/// A processor behind the type-erased [`Node`].
pub(crate) struct TypedNode<P, KI, VI, KO, VO> {
    processor: P,
    input: PhantomData<fn(KI, VI)>,
    output: PhantomData<fn(KO, VO)>,
}

impl<P, KI, VI, KO, VO> TypedNode<P, KI, VI, KO, VO>
where
    P: Processor<KI, VI, KO, VO> + 'static,
    KI: 'static,
    VI: 'static,
    KO: 'static,
    VO: 'static,
{
    pub(crate) fn boxed(processor: P) -> Box<dyn Node> {
        Box::new(Self { processor, input: PhantomData, output: PhantomData })
    }
}

impl<P, KI, VI, KO, VO> Node for TypedNode<P, KI, VI, KO, VO>
where
    P: Processor<KI, VI, KO, VO>,
    KI: 'static,
    VI: 'static,
    KO: 'static,
    VO: 'static,
{
    fn process(&mut self, cx: &mut NodeContext<'_>, slot: &mut dyn Any) -> Result<(), ProcessError> {
        let record = slot.downcast_mut::<Option<Record<KI, VI>>>().and_then(Option::take);
        let record = record.ok_or_else(|| ProcessError::new("the record is of another type than the node takes"))?;
        self.processor.process(&mut ProcessorContext::new(cx), record)
    }

    fn init(&mut self, cx: &mut NodeContext<'_>) -> Result<(), ProcessError> {
        self.processor.init(&mut ProcessorContext::new(cx))
    }

    fn punctuate(&mut self, cx: &mut NodeContext<'_>, due: Punctuation) -> Result<(), ProcessError> {
        self.processor.punctuate(&mut ProcessorContext::new(cx), due)
    }
}
