use super::*;

fn tenant(project: u128, function: u128) -> Tenant {
    Tenant {
        project: Uuid::from_u128(project),
        function: Uuid::from_u128(function),
    }
}

fn spent<'a>(gate: &'a CpuGate) -> Turn<'a> {
    let mut turn = gate.turn();
    turn.release(Share::Spent);
    turn
}

#[test]
fn a_first_slice_needs_no_permit() {
    let permits = CpuPermits::for_cores(2);
    let gate = permits.gate(tenant(1, 1));
    let mut cx = Context::from_waker(Waker::noop());
    let mut holder = spent(&gate);
    assert!(holder.poll(&mut cx).is_ready());
    assert!(gate.turn().poll(&mut cx).is_ready());
}

#[test]
fn permits_go_round_by_project_however_many_instances_one_has() {
    let permits = CpuPermits::for_cores(2);
    let (busy, other) = (permits.gate(tenant(1, 1)), permits.gate(tenant(2, 1)));
    let mut cx = Context::from_waker(Waker::noop());
    let mut first = spent(&busy);
    assert!(first.poll(&mut cx).is_ready());
    let mut second = spent(&busy);
    let mut third = spent(&busy);
    let mut neighbour = spent(&other);
    assert!(second.poll(&mut cx).is_pending());
    assert!(third.poll(&mut cx).is_pending());
    assert!(neighbour.poll(&mut cx).is_pending());
    first.release(Share::Spent);
    assert!(second.poll(&mut cx).is_ready());
    second.release(Share::Spent);
    // The busy project had its turn; the neighbour comes before its third instance.
    assert!(third.poll(&mut cx).is_pending());
    assert!(neighbour.poll(&mut cx).is_ready());
}

#[test]
fn who_waits_in_another_task_by_now_is_woken_there() {
    let permits = CpuPermits::for_cores(2);
    let gate = permits.gate(tenant(1, 1));
    let mut holder = spent(&gate);
    let mut waiting = spent(&gate);
    assert!(
        holder
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    );
    assert!(
        waiting
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    assert!(waiting.poll(&mut Context::from_waker(&waker)).is_pending());
    drop(holder);
    assert!(woken.0.load(std::sync::atomic::Ordering::Relaxed));
}

#[derive(Default)]
struct Woken(std::sync::atomic::AtomicBool);

impl std::task::Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn a_dropped_turn_loses_no_permit() {
    let permits = CpuPermits::for_cores(2);
    let gate = permits.gate(tenant(1, 1));
    let mut cx = Context::from_waker(Waker::noop());
    let mut holder = spent(&gate);
    assert!(holder.poll(&mut cx).is_ready());
    let mut granted = spent(&gate);
    let mut waiting = spent(&gate);
    assert!(granted.poll(&mut cx).is_pending());
    assert!(waiting.poll(&mut cx).is_pending());
    drop(holder);
    drop(waiting);
    drop(granted);
    assert!(spent(&gate).poll(&mut cx).is_ready());
}
