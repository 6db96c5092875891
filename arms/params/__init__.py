"""The settings: params.yaml and the files under conf/ that it names, read and checked.

Those files hold every setting, and none has a default here, so ``dvc params diff`` shows every change. Each class is
one section; a part of ``arms`` receives its own section, never the whole tree.
"""
