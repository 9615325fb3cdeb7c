use super::*;

fn admission(patience: Duration) -> Admission {
    Admission::new(AdmissionLimits {
        per_function: 2,
        per_project: 3,
        per_node: 4,
        waiting: 2,
        patience,
    })
}

fn whose(project: u128, function: u128) -> Whose {
    Whose {
        project: Uuid::from_u128(project),
        function: Uuid::from_u128(function),
        at_once: usize::MAX,
    }
}

const SHORT: Duration = Duration::from_millis(10);
const LONG: Duration = Duration::from_secs(60);

async fn refused(admission: &Admission, whose: Whose) -> bool {
    matches!(admission.enter(whose).await, Err(DispatchError::Overloaded))
}

async fn until_waiting(admission: &Admission, count: usize) {
    while admission.counts().1 != count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn neither_a_function_nor_a_project_can_take_the_whole_node() {
    let admission = admission(SHORT);
    let first = admission.enter(whose(1, 1)).await.unwrap();
    let _second = admission.enter(whose(1, 1)).await.unwrap();
    assert!(refused(&admission, whose(1, 1)).await);
    let _third = admission.enter(whose(1, 2)).await.unwrap();
    assert!(refused(&admission, whose(1, 2)).await);
    let _other = admission.enter(whose(2, 1)).await.unwrap();
    assert!(refused(&admission, whose(2, 1)).await);
    assert_eq!(admission.counts(), (4, 0));
    drop(first);
    assert!(admission.enter(whose(2, 1)).await.is_ok());
}

#[tokio::test]
async fn a_function_that_wants_fewer_calls_at_once_has_them_one_by_one() {
    let admission = admission(LONG);
    let alone = || Whose {
        at_once: 1,
        ..whose(1, 1)
    };
    let first = admission.enter(alone()).await.unwrap();
    let enter = || {
        let admission = admission.clone();
        tokio::spawn(async move { admission.enter(alone()).await })
    };
    let (one, two) = (enter(), enter());
    until_waiting(&admission, 2).await;
    drop(first);
    let second = one.await.unwrap().unwrap();
    assert_eq!(admission.counts(), (1, 1));
    drop(second);
    assert!(two.await.unwrap().is_ok());
}

#[tokio::test]
async fn who_waits_is_served_when_a_place_is_given_back() {
    let admission = admission(LONG);
    let first = admission.enter(whose(1, 1)).await.unwrap();
    let _second = admission.enter(whose(1, 1)).await.unwrap();
    let enter = || {
        let admission = admission.clone();
        tokio::spawn(async move { admission.enter(whose(1, 1)).await })
    };
    let (one, two) = (enter(), enter());
    until_waiting(&admission, 2).await;
    // The queue holds two; the next one hears at once that it is full.
    assert!(refused(&admission, whose(1, 1)).await);
    drop(first);
    drop(one.await.unwrap().unwrap());
    drop(two.await.unwrap().unwrap());
    assert_eq!(admission.counts(), (1, 0));
}

#[tokio::test]
async fn places_go_round_by_project_however_many_one_has_waiting() {
    let admission = Admission::new(AdmissionLimits {
        per_function: 4,
        per_project: 4,
        per_node: 1,
        waiting: 4,
        patience: LONG,
    });
    let only = admission.enter(whose(1, 1)).await.unwrap();
    let (told, mut order) = tokio::sync::mpsc::unbounded_channel();
    let waiting = [(1, 1), (1, 1), (1, 2), (1, 2), (3, 1), (3, 1)];
    for (count, (project, function)) in waiting.into_iter().enumerate() {
        let (line, told) = (admission.clone(), told.clone());
        tokio::spawn(async move {
            let permit = line.enter(whose(project, function)).await.unwrap();
            told.send((project, function)).unwrap();
            drop(permit);
        });
        until_waiting(&admission, count + 1).await;
    }
    drop(only);
    let mut served = Vec::new();
    while served.len() < waiting.len() {
        served.push(order.recv().await.unwrap());
    }
    assert_eq!(served, [(1, 1), (3, 1), (1, 2), (3, 1), (1, 1), (1, 2)]);
}

#[tokio::test]
async fn who_leaves_the_queue_takes_no_place_with_him() {
    let admission = admission(LONG);
    let first = admission.enter(whose(1, 1)).await.unwrap();
    let second = admission.enter(whose(1, 1)).await.unwrap();
    let waiting = tokio::spawn({
        let admission = admission.clone();
        async move { admission.enter(whose(1, 1)).await.map(drop) }
    });
    until_waiting(&admission, 1).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    assert_eq!(admission.counts(), (2, 0));
    drop((first, second));
    assert_eq!(admission.counts(), (0, 0));
    assert!(admission.enter(whose(1, 1)).await.is_ok());
}
