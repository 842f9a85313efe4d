"""D1: see `run.py`."""

from run import Case

CASES = [
    Case("select", "first() of a row by its key", count=1000, goal_us=100),
    Case("select_all", "all() of a row by its key", count=1000),
    Case("select_rows", "all() of 100 rows of 5 columns", count=200),
    Case("select_batch", "batch of 10 selects", count=200),
    Case("insert", "insert, one after the other", count=500, goal_of_sync=1.5),
    Case("insert_many", "insert, 32 in flight", count=1920, goal_us=200),
    Case("insert_batch", "insert, in batches of 32", count=1920),
]
CONFIG = {"d1_databases": [{"binding": "DB", "database_id": "bench"}]}
MINIFLARE = {"d1Databases": {"DB": "bench"}, "d1Persist": True}
PYTHON = '''
    import asyncio

    TABLE = "CREATE TABLE IF NOT EXISTS people (id INTEGER PRIMARY KEY, name TEXT, age INTEGER, city TEXT, score REAL)"
    INSERT = "INSERT INTO people (name, age, city, score) VALUES (?, ?, ?, ?)"
    ROW = ("Ada Lovelace", 36, "London", 0.5)


    async def prepare(env, count):
        await env.DB.exec(TABLE)
        insert = env.DB.prepare(INSERT)
        await env.DB.batch([insert.bind(*ROW) for _ in range(1000)])


    async def select(env, count):
        for n in range(count):
            await env.DB.prepare("SELECT * FROM people WHERE id = ?").bind(n + 1).first()


    async def select_all(env, count):
        for n in range(count):
            await env.DB.prepare("SELECT * FROM people WHERE id = ?").bind(n + 1).all()


    async def select_rows(env, count):
        for _ in range(count):
            await env.DB.prepare("SELECT * FROM people LIMIT 100").all()


    async def select_batch(env, count):
        for _ in range(count):
            statement = env.DB.prepare("SELECT * FROM people WHERE id = ?")
            await env.DB.batch([statement.bind(n + 1) for n in range(10)])


    async def insert(env, count):
        for _ in range(count):
            await env.DB.prepare(INSERT).bind(*ROW).run()


    async def insert_many(env, count):
        for _ in range(count // 32):
            await asyncio.gather(*(env.DB.prepare(INSERT).bind(*ROW).run() for _ in range(32)))


    async def insert_batch(env, count):
        for _ in range(count // 32):
            statement = env.DB.prepare(INSERT)
            await env.DB.batch([statement.bind(*ROW) for _ in range(32)])


'''
JAVASCRIPT = '''
    const COLUMNS = "id INTEGER PRIMARY KEY, name TEXT, age INTEGER, city TEXT, score REAL";
    const TABLE = `CREATE TABLE IF NOT EXISTS people (${COLUMNS})`;
    const INSERT = "INSERT INTO people (name, age, city, score) VALUES (?, ?, ?, ?)";
    const ROW = ["Ada Lovelace", 36, "London", 0.5];
    const BY_ID = "SELECT * FROM people WHERE id = ?";
    const times = (count, make) => Array.from({ length: count }, (_, n) => make(n));
    const CASES = {
      async prepare({ DB }) {
        await DB.exec(TABLE);
        const insert = DB.prepare(INSERT);
        await DB.batch(times(1000, () => insert.bind(...ROW)));
      },
      async select({ DB }, count) { for (let n = 0; n < count; n++) await DB.prepare(BY_ID).bind(n + 1).first(); },
      async select_all({ DB }, count) { for (let n = 0; n < count; n++) await DB.prepare(BY_ID).bind(n + 1).all(); },
      async select_rows({ DB }, count) {
        for (let n = 0; n < count; n++) await DB.prepare("SELECT * FROM people LIMIT 100").all();
      },
      async select_batch({ DB }, count) {
        for (let n = 0; n < count; n++) {
          const statement = DB.prepare(BY_ID);
          await DB.batch(times(10, (n) => statement.bind(n + 1)));
        }
      },
      async insert({ DB }, count) { for (let n = 0; n < count; n++) await DB.prepare(INSERT).bind(...ROW).run(); },
      async insert_many({ DB }, count) {
        for (let n = 0; n < count / 32; n++) {
          await Promise.all(times(32, () => DB.prepare(INSERT).bind(...ROW).run()));
        }
      },
      async insert_batch({ DB }, count) {
        for (let n = 0; n < count / 32; n++) {
          const statement = DB.prepare(INSERT);
          await DB.batch(times(32, () => statement.bind(...ROW)));
        }
      },
    };
'''
