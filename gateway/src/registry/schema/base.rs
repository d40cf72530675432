//! The tables that every registry has, whatever the plans release: progress, subjects, discrepancies, what was closed and changed.
//!
//! Gives names, columns with their Chinese names, keys and indexes, once for both stores. What stands here is made by `db migrate` and checked at start.

use super::Described;

/// A table that every registry has.
pub(in crate::registry) struct BaseTable {
    pub(in crate::registry) name: &'static str,
    pub(in crate::registry) zh: &'static str,
    /// Its primary key.
    pub(in crate::registry) key: &'static str,
    /// What it is looked up by besides: columns, the first of which names the index, and which rows it has.
    pub(in crate::registry) sought: &'static [(&'static str, &'static str)],
    /// A word that ends in `?` may be null.
    pub(in crate::registry) columns: &'static [Described],
}

impl BaseTable {
    /// Statements that make the indexes that are not there; the same on each store.
    pub(in crate::registry) fn indexes(&self) -> impl Iterator<Item = String> {
        let name = self.name;
        let index = move |(columns, rows): &(&str, &str)| {
            let first = columns.split(',').next().unwrap_or(columns);
            format!("CREATE INDEX IF NOT EXISTS {name}_by_{first} ON {name} ({columns}){rows}")
        };
        self.sought.iter().map(index)
    }
}

/// The relay's progress, the subject indexes, and what was closed and changed.
///
/// `history` says who changed which row when: a row for each update, closing and reopening, none for an insert, which the row itself, or the
/// `was_leaf` of its first change, tells. So a first load of millions writes nothing here. It keeps hashes and no values: what a field held
/// before is for nobody to read years later, and the sealed payload that brought it is erased after its hold.
pub(in crate::registry) const BASE_TABLES: [BaseTable; 14] = [
    BaseTable {
        name: "relay_progress",
        zh: "入库进度",
        key: "exchange",
        sought: &[],
        columns: &[
            ("exchange", "交换编号", "uuid"),
            ("leaf", "存证条目序号", "integer"),
            ("record", "数据类", "text"),
            ("partner", "对接单位", "text"),
            ("received_us", "接收时间(微秒)", "instant"),
            ("parts", "已入库分片数", "integer"),
            ("row_count", "已处理记录数", "integer"),
            ("inserted", "新增", "integer"),
            ("updated", "更新", "integer"),
            ("same", "未变", "integer"),
            ("deleted", "关闭", "integer"),
            (
                "close_after",
                "快照关闭或撤回进行到的主键(以U+10FFFF起者为已关闭完毕,其后为snapshot_seen核对到的主键)",
                "text?",
            ),
        ],
    },
    BaseTable {
        name: "history",
        zh: "记录变更历史",
        key: "record, row_key, leaf, row_no",
        sought: &[],
        columns: &[
            ("record", "数据类", "text"),
            ("row_key", "记录主键", "text"),
            ("leaf", "存证条目序号", "integer"),
            ("row_no", "在该交换中的行号(0为快照关闭)", "integer"),
            ("exchange", "交换编号", "uuid"),
            ("partner", "对接单位", "text"),
            ("at_us", "接收时间(微秒)", "instant"),
            ("kind", "变更类别 update/close/reopen", "text"),
            ("was_leaf", "变更前内容的存证条目序号", "integer?"),
            ("was_row", "变更前内容的行号", "integer?"),
            ("was_hash", "变更前内容摘要", "sha-256/128?"),
            ("hash", "变更后内容摘要", "sha-256/128?"),
        ],
    },
    BaseTable {
        name: "closing",
        zh: "关闭登记",
        key: "record, row_key, partner",
        sought: &[],
        columns: &[
            ("record", "数据类", "text"),
            ("row_key", "记录主键", "text"),
            ("partner", "关闭单位", "text"),
            ("snapshot_leaf", "未含该记录的最近快照的存证条目序号", "integer?"),
            ("source_us", "删除的来源时间(微秒)", "integer?"),
            ("leaf", "删除的存证条目序号", "integer?"),
            ("row_no", "删除的行号", "integer?"),
        ],
    },
    BaseTable {
        name: "superseded",
        zh: "被更新的删除取代的删除",
        key: "record, row_key, partner, leaf",
        sought: &[],
        columns: &[
            ("record", "数据类", "text"),
            ("row_key", "记录主键", "text"),
            ("partner", "关闭单位", "text"),
            ("leaf", "删除的存证条目序号", "integer"),
            ("source_us", "删除的来源时间(微秒)", "integer"),
            ("row_no", "删除的行号", "integer"),
            ("recalled", "将其撤回的存证条目序号", "integer?"),
        ],
    },
    BaseTable {
        name: "snapshot",
        zh: "快照登记",
        key: "record, partner, leaf",
        sought: &[],
        columns: &[
            ("record", "数据类", "text"),
            ("partner", "对接单位", "text"),
            ("leaf", "存证条目序号", "integer"),
            ("exchange", "交换编号", "uuid"),
            ("scope", "范围(空为全部)", "text?"),
            ("recalled", "将其撤回的存证条目序号", "integer?"),
        ],
    },
    BaseTable {
        name: "snapshot_seen",
        zh: "快照所含而当时已关闭或尚无的记录",
        key: "exchange, row_key",
        sought: &[],
        columns: &[("exchange", "交换编号", "uuid"), ("row_key", "记录主键", "text")],
    },
    BaseTable {
        name: "snapshot_held",
        zh: "关闭完成前、或有更早批次被搁置时,快照所含且未改写的记录",
        key: "exchange, part",
        sought: &[],
        columns: &[
            ("exchange", "交换编号", "uuid"),
            ("part", "分片序号", "integer"),
            ("numbers", "各记录主键的编号(每个8字节)", "bytes"),
        ],
    },
    BaseTable {
        name: "discrepancy",
        zh: "比对差异",
        key: "subject, kind, record, other_record",
        sought: &[],
        columns: &[
            ("subject", "所涉人员或单位标识", "text"),
            ("kind", "差异类别代码", "text"),
            ("record", "一方数据类", "text"),
            ("other_record", "另一方数据类", "text"),
            ("row_key", "一方记录主键", "text"),
            ("exchange", "一方来源交换编号", "uuid"),
            ("row_no", "一方在该交换中的行号", "integer"),
            ("other_key", "另一方记录主键(空为无记录)", "text?"),
            ("other_exchange", "另一方来源交换编号", "uuid?"),
            ("other_row", "另一方在该交换中的行号", "integer?"),
            ("first_us", "首次发现时间(微秒)", "instant"),
            ("last_us", "最近确认时间(微秒)", "instant"),
            ("settled_us", "消除时间(微秒)", "instant?"),
            ("settled_by", "使其消除的交换编号", "uuid?"),
        ],
    },
    BaseTable {
        name: "person",
        zh: "人员索引",
        key: "citizen_id",
        sought: &[("subject", " WHERE subject IS NOT NULL")],
        columns: &[
            ("citizen_id", "公民身份号码", "text"),
            ("first_us", "首次出现时间(微秒)", "instant"),
            ("subject", "同一人现用号码(空为只有一个号码)", "text?"),
            ("joined_us", "号码关联变动时间(微秒)", "instant?"),
            ("changed_us", "最近变动标记(微秒)", "instant?"),
            ("death_us", "死亡信息最近变动标记(微秒)", "instant?"),
        ],
    },
    BaseTable {
        name: "enterprise",
        zh: "单位索引",
        key: "unit",
        sought: &[],
        columns: &[
            ("unit", "单位标识", "text"),
            ("first_us", "首次出现时间(微秒)", "instant"),
            ("changed_us", "最近变动标记(微秒)", "instant?"),
        ],
    },
    BaseTable {
        name: "registry_mark",
        zh: "登记库变动标记",
        key: "one",
        sought: &[],
        columns: &[
            ("one", "唯一一行", "text"),
            ("changed_us", "最近一次写入的标记(微秒)", "instant"),
        ],
    },
    BaseTable {
        name: "enterprise_number",
        zh: "单位号码归属",
        key: "number",
        sought: &[],
        columns: &[
            ("number", "号码(R注册号,T纳税人识别号)", "text"),
            ("unit", "所属单位标识", "text"),
        ],
    },
    BaseTable {
        name: "number_link",
        zh: "号码关联依据",
        key: "record, row_key, number, other",
        sought: &[("number, other", "")],
        columns: &[
            ("record", "数据类", "text"),
            ("row_key", "载明两个号码的记录主键", "text"),
            ("number", "号码", "text"),
            ("other", "同一主体的另一号码", "text"),
        ],
    },
    BaseTable {
        name: "number_walk",
        zh: "已有记录号码关联补记进度",
        key: "record",
        sought: &[],
        columns: &[
            ("record", "数据类", "text"),
            ("row_key", "补记进行到的记录主键", "text"),
        ],
    },
];
