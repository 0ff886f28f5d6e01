"""The function app of this folder: an approval workflow. `func start` runs it here, the same files run in Azure."""

import azure.durable_functions as df
import azure.functions as func

from functions.approvals import approvals

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
app.register_functions(approvals)
