"""Fields of React Flow 11 and 12 that have no meaning for a crew."""

from __future__ import annotations

DOCUMENT_FIELDS = frozenset({"viewport"})
DATA_FIELDS = frozenset({"label"})
_ELEMENT_FIELDS = frozenset(
    {
        "ariaLabel",
        "ariaRole",
        "className",
        "deletable",
        "domAttributes",
        "focusable",
        "hidden",
        "selectable",
        "selected",
        "style",
        "zIndex",
    }
)
NODE_FIELDS = _ELEMENT_FIELDS | {
    "connectable",
    "dragHandle",
    "draggable",
    "dragging",
    "expandParent",
    "extent",
    "handles",
    "height",
    "initialHeight",
    "initialWidth",
    "measured",
    "origin",
    "parentId",
    "parentNode",
    "position",
    "positionAbsolute",
    "resizing",
    "sourcePosition",
    "targetPosition",
    "width",
}
EDGE_FIELDS = _ELEMENT_FIELDS | {
    "animated",
    "data",
    "interactionWidth",
    "label",
    "labelBgBorderRadius",
    "labelBgPadding",
    "labelBgStyle",
    "labelShowBg",
    "labelStyle",
    "markerEnd",
    "markerStart",
    "pathOptions",
    "reconnectable",
    "sourceHandle",
    "targetHandle",
    "updatable",
}
EDGE_TYPES = frozenset({"default", "straight", "step", "smoothstep", "simplebezier", "bezier"})
"""Types of edges that define only how React Flow draws them."""
