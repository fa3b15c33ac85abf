"""Forty invented titles, a quarter of them educational."""

from uuid import NAMESPACE_URL, uuid5

from watchkeeper.catalogue.public import TitleChange

SOURCE = "demo"
_NAMESPACE = uuid5(NAMESPACE_URL, "watchkeeper-demo")
EDUCATIONAL = "educational"

# name, minutes, genre, tags
_SERIES = (
    ("Captain Comet", 11, "animation", ("space", "ages 6+")),
    ("The Lighthouse Mice", 12, "animation", ("animals", "ages 3+")),
    ("Pip and the Paper Fox", 8, "animation", ("friends", "ages 3+")),
    ("Nine Lives of Nacho", 22, "comedy", ("cats", "ages 6+")),
    ("Dragon School", 24, "adventure", ("magic", "ages 6+")),
    ("Skate Street", 25, "sport", ("friends", "ages 9+")),
    ("The Night Market", 26, "mystery", ("city", "ages 9+")),
    ("Robot Repair Club", 23, "adventure", ("robots", "ages 6+")),
    ("Mermaid Bay", 21, "adventure", ("sea", "ages 6+")),
    ("Goal Keepers", 24, "sport", ("football", "ages 6+")),
    ("Cousins on Wheels", 22, "comedy", ("family", "ages 6+")),
    ("Moonlight Bakery", 20, "comedy", ("cooking", "ages 6+")),
    ("Dinosaur Post Office", 10, "animation", ("dinosaurs", "ages 3+")),
    ("Zero Gravity High", 27, "comedy", ("space", "school", "ages 9+")),
    ("The Tiny Orchestra", 9, "animation", ("music", "ages 3+")),
    ("Treehouse Nine", 24, "adventure", ("nature", "ages 6+")),
)
_FILMS = (
    ("The Last Balloon", 94, "adventure", ("ages 6+",)),
    ("Olive and the Ocean", 88, "animation", ("sea", "ages 6+")),
    ("A Dog for Winter", 97, "family", ("dogs", "ages 6+")),
    ("The Clockmaker's Son", 103, "mystery", ("ages 9+",)),
    ("Snow Day Rebellion", 91, "comedy", ("school", "ages 6+")),
    ("The Great Pumpkin Race", 86, "family", ("autumn", "ages 3+")),
    ("Falcon Island", 108, "adventure", ("sea", "ages 9+")),
    ("The Quiet Harbour", 118, "drama", ("grown-ups",)),
    ("Seven Trains to Lisbon", 124, "thriller", ("grown-ups",)),
    ("A Table by the Window", 106, "romance", ("grown-ups",)),
    ("The Cartographer", 131, "drama", ("grown-ups",)),
    ("Second Shift", 48, "series", ("grown-ups", "hospital")),
    ("The Bridge Inspectors", 52, "series", ("grown-ups", "crime")),
    ("Salt and Smoke", 41, "cooking", ("grown-ups", "travel")),
)
_EDUCATIONAL = (
    ("How Does It Float?", 14, "science", ("physics", "ages 6+")),
    ("Bugs Under the Lens", 18, "nature", ("animals", "ages 6+")),
    ("Numbers at the Market", 10, "mathematics", ("ages 3+",)),
    ("Letters Go Walking", 9, "language", ("reading", "ages 3+")),
    ("Planet by Planet", 26, "science", ("space", "ages 6+")),
    ("The History Backpack", 24, "history", ("ages 9+",)),
    ("Rivers of the World", 44, "nature", ("geography", "ages 9+")),
    ("Make It Yourself", 16, "crafts", ("ages 6+",)),
    ("Hello, Hola, Bonjour", 12, "language", ("ages 3+",)),
    ("Inside the Volcano", 38, "science", ("geography", "ages 9+")),
)


def demo_titles() -> list[TitleChange]:
    """The titles as an administrator would write them."""
    shelves = ((_SERIES, "Series", False), (_FILMS, "Films", False), (_EDUCATIONAL, "Learn", True))
    return [
        TitleChange(
            id=uuid5(_NAMESPACE, name),
            reference=(SOURCE, name.lower().replace(" ", "-")),
            given={
                "name": name,
                "is_educational": is_educational,
                "tags": (*tags, EDUCATIONAL) if is_educational else tags,
                "genres": (genre,),
                "library": library,
                "duration_seconds": minutes * 60,
            },
        )
        for shelf, library, is_educational in shelves
        for name, minutes, genre, tags in shelf
    ]
