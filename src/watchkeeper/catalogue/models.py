"""The catalogue's one table; a reference table, copied whole to every node of a fleet."""

from sqlalchemy import Boolean, Column, DateTime, Integer, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

metadata = MetaData(schema="catalogue")

titles = Table(
    "titles",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("household_id", Uuid),
    Column("source", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("is_educational", Boolean, nullable=False),
    Column("is_classified", Boolean, nullable=False),
    Column("tags", ARRAY(Text), nullable=False),
    Column("genres", ARRAY(Text), nullable=False),
    Column("library", Text),
    Column("duration_seconds", Integer),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
)
