"""The catalogue: titles, and what other domains may ask of them."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TITLES = """
CREATE TABLE catalogue.titles (
    id uuid NOT NULL,
    household_id uuid,
    source text NOT NULL,
    external_id text NOT NULL,
    name text NOT NULL,
    is_educational boolean NOT NULL DEFAULT false,
    is_classified boolean NOT NULL DEFAULT false,
    tags text[] NOT NULL DEFAULT '{}',
    genres text[] NOT NULL DEFAULT '{}',
    library text,
    duration_seconds integer,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT titles_pk PRIMARY KEY (id),
    -- The reference comes first, so that one look-up finds the global and the household's title.
    CONSTRAINT titles_reference_unique
        UNIQUE NULLS NOT DISTINCT (source, external_id, household_id),
    CONSTRAINT titles_source_length CHECK (char_length(source) BETWEEN 1 AND 64),
    CONSTRAINT titles_external_id_length CHECK (char_length(external_id) BETWEEN 1 AND 256),
    CONSTRAINT titles_name_length CHECK (char_length(name) BETWEEN 1 AND 300),
    CONSTRAINT titles_duration_positive CHECK (duration_seconds > 0)
)
"""

# A household's titles and the global ones are listed from indexes of their own: otherwise every
# family would page through what all others have at home.
_INDEXES = (
    "CREATE INDEX titles_global_by_name ON catalogue.titles (name, id) WHERE household_id IS NULL",
    (
        "CREATE INDEX titles_household_by_name ON catalogue.titles (household_id, name, id) "
        "WHERE household_id IS NOT NULL"
    ),
    (
        "CREATE INDEX titles_all_households_by_name ON catalogue.titles (name, id) "
        "WHERE household_id IS NOT NULL"
    ),
    (
        "CREATE INDEX titles_global_name_words ON catalogue.titles "
        "USING gin (name public.gin_trgm_ops) WHERE household_id IS NULL"
    ),
    (
        "CREATE INDEX titles_all_households_name_words ON catalogue.titles "
        "USING gin (name public.gin_trgm_ops) WHERE household_id IS NOT NULL"
    ),
    (
        "CREATE INDEX titles_global_tags ON catalogue.titles USING gin (tags) "
        "WHERE household_id IS NULL"
    ),
)

_PUB_TITLES = """
CREATE VIEW catalogue.pub_titles AS
SELECT id, household_id, source, external_id, name, is_educational, is_classified
FROM catalogue.titles
"""

# Positions count from 1, as WITH ORDINALITY does. What isn't found has no row.
_PUB_FIND_TITLES = """
CREATE FUNCTION catalogue.pub_find_titles(
    household_ids uuid[], ids uuid[], sources text[], external_ids text[]
) RETURNS TABLE ("position" bigint, id uuid, name text, is_educational boolean)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT wanted."position", found.id, found.name, found.is_educational
    FROM unnest(household_ids, ids, sources, external_ids) WITH ORDINALITY
        AS wanted (household_id, id, source, external_id, "position")
    CROSS JOIN LATERAL (
        SELECT t.id, t.name, t.is_educational
        FROM catalogue.titles t
        WHERE t.id = wanted.id
          AND (t.household_id IS NULL OR t.household_id = wanted.household_id)
        UNION ALL
        (SELECT t.id, t.name, t.is_educational
         FROM catalogue.titles t
         WHERE wanted.id IS NULL
           AND t.source = wanted.source
           AND t.external_id = wanted.external_id
           AND (t.household_id IS NULL OR t.household_id = wanted.household_id)
         ORDER BY t.household_id NULLS FIRST
         LIMIT 1)
    ) AS found
$$
"""

_PUB_ADD_TITLES = """
CREATE FUNCTION catalogue.pub_add_titles(
    ids uuid[], household_ids uuid[], sources text[], external_ids text[], names text[],
    now timestamptz
) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
    WITH mentioned AS (
        SELECT DISTINCT ON (m.id) m.*
        FROM unnest(ids, household_ids, sources, external_ids, names) WITH ORDINALITY
            AS m (id, household_id, source, external_id, name, "position")
        ORDER BY m.id, m."position"
    ),
    households AS MATERIALIZED (
        SELECT h.household_id
        FROM (SELECT DISTINCT household_id FROM mentioned) AS h
        -- The bound on what one household's players can make us keep.
        WHERE (SELECT count(*) FROM catalogue.titles t WHERE t.household_id = h.household_id)
            < 20000
    ),
    added AS (
        INSERT INTO catalogue.titles
            (id, household_id, source, external_id, name, created_at, updated_at)
        SELECT m.id, m.household_id, m.source, m.external_id,
               left(coalesce(nullif(m.name, ''), m.external_id), 300),
               pub_add_titles.now, pub_add_titles.now
        FROM mentioned m JOIN households USING (household_id)
        ON CONFLICT DO NOTHING
        RETURNING 1
    )
    SELECT count(*) FROM added
$$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL statement_timeout = '5min'")
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public")
    op.execute("CREATE SCHEMA catalogue")
    op.execute(_TITLES)
    for index in _INDEXES:
        op.execute(index)
    op.execute(_PUB_TITLES)
    op.execute(_PUB_FIND_TITLES)
    op.execute(_PUB_ADD_TITLES)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP SCHEMA catalogue CASCADE")
