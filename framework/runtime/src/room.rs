//! What a worker does when the budget of memory is used up.

use super::error::RuntimeError;
use super::worker::Worker;

impl Worker {
    /// Where the budget is used up, empties record caches and commits what was written. False when what is written and not
    /// stored takes all of the budget even so: then no task may go on.
    pub(crate) fn make_room(&mut self) -> Result<bool, RuntimeError> {
        let budget = self.around.budget.clone();
        if !budget.is_used_up() {
            return Ok(true);
        }
        metrics::counter!("nowfold_memory_budget_used_up_total").increment(1);
        let now = self.clock.now();
        for runner in self.runners.iter_mut().filter(|runner| runner.holds_rows()) {
            runner.prepare_commit(now)?;
            self.outbox.put(runner)?;
        }
        if budget.is_heavy_with_writes() && self.outbox.holds_writes() {
            if !self.is_ready_to_commit()? {
                // Calls are to end first, which they do in turns of tasks; these take no records meanwhile.
                return Ok(true);
            }
            self.commit()?;
        }
        Ok(!budget.is_full_of_writes())
    }
}
