//! The statements that are the same calls on every database, each of which has texts of its own for them.

/// Gives the names of the texts to a macro.
macro_rules! each_text {
    ($then:ident) => {
        $then! {
            ADD_TASK ANY_DUE APPLIED ATTACH BEAT BEATING BEAT_NODE BOOTS CENSUS CRASHES CREATE_MIGRATIONS DEATHS
            DECLARE_NODE DELIVERED DELIVERY_DEAD DELIVER_AGAIN DISCARD DROP_MIGRATIONS DUE DUE_ADVANCES DUE_KEYS
            ENQUEUE FORGET_INCARNATIONS FORGET_MIGRATION HISTORY HISTORY_OF_JOB INCARNATIONS JOB JOB_OF_SOURCE_KEY
            LATE_EXITS NODES NODE_STATE NOTE_MIGRATION NOTE_START NOW OLDEST_RUNNING OUTSET PRUNE_ADVANCES
            PRUNE_EVENTS PRUNE_NODES PRUNE_OUTBOX RECORD_EXIT RECORD_WITNESSED REGISTER RESCUES RETIRE_NODE REVIVE
            REVIVE_NODE RUNNING RUN_EXISTS SET SETTING SETTING_HELD STALLED SUPERSEDE UNDELIVERED UNREADABLE_PAYLOADS
        }
    };
}

macro_rules! declare {
    ($($name:ident)*) => {
        /// A database's texts. What they do is said beside each of them.
        pub(crate) trait Texts {
            $(const $name: &'static str;)*
        }
    };
}

each_text!(declare);
