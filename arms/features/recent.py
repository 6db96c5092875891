"""What was encoded lately, up to so many bytes: an image or a question that arrives again is not encoded again."""

from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock

from arms.features.online import Item


class Recent:
    """Items by their keys; beyond the limit those go that were asked for longest ago. Threads may share it.

    Who uses an item keeps it, whether it is still here or not.

    Parameters
    ----------
    num_bytes : int
        What the features kept here may take. Items that are not encoded yet do not count.
    """

    def __init__(self, num_bytes: int) -> None:
        self._room = num_bytes  # what is left of it
        self._items: OrderedDict[str, Item] = OrderedDict()
        self._lock = Lock()
        self._counted: dict[str, int] = {}  # bytes of the items that are encoded
        self._others: set[str] = set()  # keys of the items that are not, or not yet

    def claim(self, key: str) -> tuple[Item, bool]:
        """The item of a key, and whether it is new; who gets a new one has to read it, or to `drop` it."""
        with self._lock:
            item = self._items.get(key)
            if item is not None:
                self._items.move_to_end(key)
                return item, False
            item = self._items[key] = Item(key)
            self._others.add(key)
            return item, True

    def drop(self, item: Item) -> None:
        """Forget an item that cannot be read."""
        with self._lock:
            if self._items.get(item.key) is item:
                del self._items[item.key]
                self._others.discard(item.key)

    def settle(self, items: Iterable[Item]) -> None:
        """Count items that are encoded now, and forget the oldest ones beyond the limit."""
        with self._lock:
            for item in items:
                if item.key not in self._counted and self._items.get(item.key) is item and item.features is not None:
                    self._counted[item.key] = item.nbytes
                    self._others.discard(item.key)
                    self._room -= item.nbytes
            for key in list(self._items) if self._room < 0 else ():
                if self._room >= 0:
                    break
                if key in self._counted:
                    del self._items[key]
                    self._room += self._counted.pop(key)

    def forget_unencoded(self) -> None:
        """Forget what was claimed and then not encoded, as something failed before."""
        with self._lock:
            for key in self._others:
                del self._items[key]
            self._others.clear()

    @property
    def nbytes(self) -> int:
        """What the features kept here take."""
        with self._lock:
            return sum(self._counted.values())
