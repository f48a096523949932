"""Routes to store, validate, import and export graphs."""

from __future__ import annotations

import typing as t

from flask import Blueprint
from flask import json
from flask import Response
from flask import url_for

from ..graphs.exporters import export_crewai
from ..graphs.importers import Imported
from ..graphs.importers import summarize
from ..schemas import CopySchema
from ..schemas import DifferenceSchema
from ..schemas import DiffQuerySchema
from ..schemas import ExportQuerySchema
from ..schemas import ExportSchema
from ..schemas import GraphDocumentSchema
from ..schemas import GraphPageSchema
from ..schemas import GraphQuerySchema
from ..schemas import GraphSchema
from ..schemas import GraphVersionPageSchema
from ..schemas import GraphVersionSchema
from ..schemas import IfMatchHeaderSchema
from ..schemas import ImportedGraphSchema
from ..schemas import ImportPreviewSchema
from ..schemas import ImportQuerySchema
from ..schemas import ImportSchema
from ..schemas import ValidationSchema
from ..schemas import VersionPageQuerySchema
from ..schemas import VersionQuerySchema
from ..services.graph_changes import StoredGraph
from ..services.graph_service import GraphService
from . import downloads
from .authentication import current_identity
from .executions import next_id
from .view_contracts import Answer
from .view_contracts import documents_headers_of_response
from .view_contracts import documents_response
from .view_contracts import reads
from .view_contracts import reads_json_document
from .view_contracts import responds

Json = dict[str, t.Any]

_service: t.Final = GraphService()
_graph: t.Final = GraphSchema()
_versions: t.Final = GraphVersionSchema(many=True)


@documents_headers_of_response("Location", "ETag")
@responds(GraphDocumentSchema(), 201)
@reads_json_document
def create_graph(document: t.Any) -> Answer:
    """Store a graph."""
    requester = current_identity()
    stored = _service.create(document, requester.user_id, roles=requester.roles)
    return _created(stored)


@responds(GraphPageSchema())
@reads(GraphQuerySchema(), "query")
def list_graphs(query: Json) -> Json:
    """List graphs, newest first; with ``archived``, only archived ones."""
    page = [_graph.dump(graph) for graph in _service.list(current_identity(), **query)]
    return {"graphs": page, "next": next_id(page, query["limit"])}


@documents_headers_of_response("ETag")
@responds(GraphDocumentSchema())
@reads(VersionQuerySchema(), "query")
def get_graph(query: Json, graph_id: str) -> Answer:
    """Show a graph with one of its versions, by default the newest."""
    return _tagged(_service.get(graph_id, current_identity(), **query))


@documents_headers_of_response("ETag")
@responds(GraphDocumentSchema())
@reads_json_document
@reads(IfMatchHeaderSchema(), "headers")
def change_graph(document: t.Any, headers: Json, graph_id: str) -> Answer:
    """Make the document the newest version of a graph."""
    requester = current_identity()
    return _tagged(_service.update(graph_id, document, requester.user_id, requester, **headers))


@documents_response(None, 204)
@reads(IfMatchHeaderSchema(), "headers")
def delete_graph(headers: Json, graph_id: str) -> tuple[str, int]:
    """Archive a graph; its executions stay readable."""
    _service.delete(graph_id, current_identity(), **headers)
    return "", 204


@documents_headers_of_response("ETag")
@responds(GraphDocumentSchema())
@reads(IfMatchHeaderSchema(), "headers")
def archive_graph(headers: Json, graph_id: str) -> Answer:
    """Archive a graph until it is restored."""
    return _tagged(_service.archive(graph_id, current_identity(), **headers))


@documents_headers_of_response("ETag")
@responds(GraphDocumentSchema())
@reads(IfMatchHeaderSchema(), "headers")
def restore_graph(headers: Json, graph_id: str) -> Answer:
    """Restore an archived graph."""
    return _tagged(_service.restore(graph_id, current_identity(), **headers))


@documents_headers_of_response("Location", "ETag")
@responds(GraphDocumentSchema(), 201)
@reads(CopySchema())
@reads(IfMatchHeaderSchema(), "headers")
def copy_graph(body: Json, headers: Json, graph_id: str) -> Answer:
    """Store a version of a graph as a new graph of the requester."""
    requester = current_identity()
    return _created(_service.copy(graph_id, requester.user_id, requester, **body, **headers))


@responds(GraphVersionPageSchema())
@reads(VersionPageQuerySchema(), "query")
def list_versions(query: Json, graph_id: str) -> Json:
    """List the versions of a graph, newest first."""
    page = _versions.dump(_service.versions(graph_id, current_identity(), **query))
    more = len(page) == query["limit"] and page[-1]["version"] > 1
    return {"versions": page, "next": page[-1]["version"] if more else None}


@responds(DifferenceSchema())
@reads(DiffQuerySchema(), "query")
def diff_graph(query: Json, graph_id: str) -> Json:
    """Show what changed from one version of a graph to another."""
    difference = _service.diff(graph_id, requester=current_identity(), **query)
    changes = [change.as_json() for change in difference.changes]
    return {"from": difference.older, "to": difference.newer, "changes": changes}


@responds(ValidationSchema())
@reads_json_document
def validate_graph(document: t.Any) -> Answer:
    """Report the problems of a document, or what it needs and how it would run."""
    return Answer(_in_order(_service.report(document, roles=current_identity().roles)), {})


@documents_headers_of_response("Location")
@responds(ImportedGraphSchema(), 201)
@reads(ImportSchema(), "project")
@reads(ImportQuerySchema(), "query")
def import_graph(body: Json, query: Json) -> Answer:
    """Store the graph that files of another tool describe, and report what it leaves out."""
    requester = current_identity()
    imported = _service.import_files(**body, **query, roles=requester.roles)
    stored = _service.create(imported.document, requester.user_id, roles=requester.roles)
    location = url_for(".get_graph", graph_id=stored.graph.id)
    return Answer(_in_order({**_dump(stored), **_report(imported)}), {"Location": location})


@responds(ImportPreviewSchema())
@reads(ImportSchema(), "project")
@reads(ImportQuerySchema(), "query")
def preview_import(body: Json, query: Json) -> Answer:
    """Show the document that an import would store, and report what it leaves out."""
    if query["accept"] is None:
        query["accept"] = "unguarded"  # nothing is stored, and the notes say what is missing
    imported = _service.import_files(**body, **query, roles=current_identity().roles)
    return Answer(_in_order({"document": imported.document, **_report(imported)}), {})


def _report(imported: Imported) -> Json:
    notes = [note._asdict() for note in imported.notes]
    return {"notes": notes, "summary": summarize(imported)}


@documents_response(ExportSchema(), 200)
@documents_response(None, 200, media=downloads.ZIP)
@reads(ExportQuerySchema(), "query")
def export_graph(query: Json, graph_id: str) -> Response:
    """Export a graph as files: in JSON, or with ``Accept: application/zip`` as an archive."""
    stored = _service.get(graph_id, current_identity(), version=query["version"])
    exported = export_crewai(stored.version.document)
    return downloads.respond(stored.version.document["name"], query["format"], exported)


def _created(stored: StoredGraph) -> Answer:
    answer = _tagged(stored)
    answer.headers["Location"] = url_for(".get_graph", graph_id=stored.graph.id)
    return answer


def _tagged(stored: StoredGraph) -> Answer:
    return Answer(_in_order(_dump(stored)), {"ETag": stored.etag})


def _in_order(body: Json) -> Response:
    """Return a response whose members keep their order, such as the inputs of a document."""
    return Response(json.dumps(body, sort_keys=False), mimetype="application/json")


def _dump(stored: StoredGraph) -> Json:
    version = stored.version
    return {
        **_graph.dump(stored.graph),
        "version": version.number,
        "digest": version.digest,
        "document": version.document,
    }


def add_routes(blueprint: Blueprint) -> None:
    """Add the routes of graphs to *blueprint*."""
    one = "/graphs/<graph_id>"
    blueprint.post("/graphs")(create_graph)
    blueprint.get("/graphs")(list_graphs)
    blueprint.post("/graphs/validate")(validate_graph)
    blueprint.post("/graphs/import")(import_graph)
    blueprint.post("/graphs/import/preview")(preview_import)
    blueprint.get(one)(get_graph)
    blueprint.put(one)(change_graph)
    blueprint.delete(one)(delete_graph)
    blueprint.get(f"{one}/versions")(list_versions)
    blueprint.get(f"{one}/diff")(diff_graph)
    blueprint.get(f"{one}/export")(export_graph)
    blueprint.post(f"{one}/copy")(copy_graph)
    blueprint.post(f"{one}/archive")(archive_graph)
    blueprint.post(f"{one}/restore")(restore_graph)
