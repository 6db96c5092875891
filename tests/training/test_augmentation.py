"""Augmentation does not change what an answer can depend on."""

import torch

from arms.training.augmentation import augment


def pictures(num=6, size=50):
    torch.manual_seed(0)
    return torch.randint(60, 190, (num, 3, size, size), dtype=torch.uint8)


def test_shape_and_type_stay():
    for shape in ((1, 3, 8, 8), (4, 3, 64, 32)):
        made = torch.randint(0, 256, shape, dtype=torch.uint8)
        assert augment(made).shape == made.shape
        assert augment(made).dtype == torch.uint8


def test_it_is_a_shift_and_a_change_of_light():
    """Moved back by at most two pixels, each picture differs from the old one only by a linear map of its values."""
    torch.manual_seed(1)
    before = pictures()
    after = augment(before)
    inner = slice(4, -4)
    for old, new in zip(before.float(), after.float(), strict=True):
        target = new[:, inner, inner].flatten()
        best = max(
            torch.corrcoef(torch.stack([old.roll((down, right), (1, 2))[:, inner, inner].flatten(), target]))[0, 1]
            for down in range(-2, 3)
            for right in range(-2, 3)
        )
        assert best > 0.999


def test_pictures_change_each_in_its_own_way():
    torch.manual_seed(2)
    same = pictures(1).expand(6, -1, -1, -1)
    after = augment(same)
    assert len({picture.numpy().tobytes() for picture in after}) == 6


def test_it_follows_the_seed():
    made, found = pictures(), []
    for _ in range(2):
        torch.manual_seed(3)
        found.append(augment(made))
    assert torch.equal(*found)


def test_no_black_edges():
    torch.manual_seed(4)
    white = torch.full((8, 3, 50, 50), 200, dtype=torch.uint8)
    after = augment(white)
    assert (after.flatten(2).amax(-1) == after.flatten(2).amin(-1)).all()
