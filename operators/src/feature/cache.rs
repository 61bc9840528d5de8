//! Compiled plans of questions that define features of their own, so that asking again compiles nothing.

use std::sync::Arc;

use parking_lot::Mutex;

use super::define::Feature;
use super::plan::Plan;

/// Plans kept at most. Questions come from programs, which ask in few ways.
const MOST_PLANS: usize = 64;

/// The plans used last, newest last.
#[derive(Debug, Default)]
pub(crate) struct PlanCache(Mutex<Vec<Entry>>);

#[derive(Debug)]
struct Entry {
    select: Vec<String>,
    adhoc: Vec<Feature>,
    plan: Arc<Plan>,
}

impl PlanCache {
    /// The plan for these features, if it is kept.
    pub(crate) fn get(&self, select: &[String], adhoc: &[Feature]) -> Option<Arc<Plan>> {
        let mut entries = self.0.lock();
        let at = entries.iter().rposition(|entry| entry.select == select && entry.adhoc == adhoc)?;
        let entry = entries.remove(at);
        let plan = entry.plan.clone();
        entries.push(entry);
        Some(plan)
    }

    /// Keeps a plan instead of the one that was not used for longest.
    pub(crate) fn put(&self, select: &[String], adhoc: &[Feature], plan: &Arc<Plan>) {
        let mut entries = self.0.lock();
        if entries.len() == MOST_PLANS {
            entries.remove(0);
        }
        entries.push(Entry { select: select.to_vec(), adhoc: adhoc.to_vec(), plan: plan.clone() });
    }
}

#[cfg(test)]
mod tests {
    use nowfold_core::time::hours;

    use super::super::define::feature;
    use super::*;

    #[test]
    fn keeps_the_plans_used_last() {
        let cache = PlanCache::default();
        let asked = |n: usize| [feature(format!("f{n}")).count().within(hours(1))];
        for n in 0..MOST_PLANS {
            cache.put(&[], &asked(n), &Arc::default());
        }
        assert!(cache.get(&[], &asked(0)).is_some());
        cache.put(&[], &asked(MOST_PLANS), &Arc::default());
        assert!(cache.get(&[], &asked(0)).is_some());
        assert!(cache.get(&[], &asked(1)).is_none());
        assert!(cache.get(&["f0".to_owned()], &asked(0)).is_none());
        let longer = [feature("f0").count().within(hours(2))];
        assert!(cache.get(&[], &longer).is_none());
    }
}
