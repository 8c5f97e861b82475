"""How healthy is this account, why, and how sure are we?

The Python API: open a `Workspace` and call its `assess`, or run the pipeline function `assess` on sources of your own.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from account_health.assess import assess
    from account_health.model import Assessment
    from account_health.policy import Policy, load_policy
    from account_health.workspace import Workspace

    __version__: str

__all__ = ["Assessment", "Policy", "Workspace", "__version__", "assess", "load_policy"]

_HOMES = {
    "Assessment": "account_health.model",
    "Policy": "account_health.policy",
    "Workspace": "account_health.workspace",
    "assess": "account_health.assess",
    "load_policy": "account_health.policy",
}


def __getattr__(name: str) -> Any:
    """Public names load when first used, so that importing the package costs nothing."""
    if name == "__version__":
        from importlib.metadata import version

        return version("account-health")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(name)
