"""check_by_hand on a dozen networks: right answers in the many forms that people write, and their mistakes, named."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

import tinygrad_edu as te
import tinygrad_edu.nn.functional as F
from tinygrad_edu import check_by_hand
from tinygrad_edu.symbolic import explain
from tinygrad_edu.symbolic.handed_in import aliases, known_values


class Values:
    """Where a network takes its leaves and data from."""

    def __init__(self, rng):
        self.rng = rng

    def leaf(self, *shape):
        return te.tensor(self.rng.standard_normal(shape), requires_grad=True)

    def data(self, *shape):
        return te.tensor(self.rng.standard_normal(shape))

    def coins(self, *shape):
        return te.tensor((self.rng.random(shape) > 0.5).astype(float))


# --- networks; their gradients are called by these variables' names


def softmax_cols(v):
    X, Y = v.data(3, 6), te.tensor(np.eye(4)[:, [0, 1, 2, 3, 0, 1]])
    W1, b1, W2, b2 = v.leaf(3, 5), v.leaf(5, 1), v.leaf(5, 4), v.leaf(4, 1)
    Z1 = W1.T @ X + b1
    A1 = te.relu(Z1)
    Z2 = W2.T @ A1 + b2
    P = te.softmax(Z2, dim=0)
    return -(Y * te.log(P)).sum() / Y.shape[1]


def rows_ce(v):
    X, y = v.data(6, 3), te.tensor([0, 1, 2, 0, 1, 2])
    W1, b1, W2, b2 = v.leaf(3, 5), v.leaf(5), v.leaf(5, 3), v.leaf(3)
    Z1 = X @ W1 + b1
    A1 = te.tanh(Z1)
    Z2 = A1 @ W2 + b2
    return F.cross_entropy(Z2, y)


def rows_nll(v):
    X, y = v.data(6, 3), te.tensor([0, 1, 2, 0, 1, 2])
    W, b = v.leaf(3, 3), v.leaf(3)
    Z = X @ W + b
    A = F.log_softmax(Z, dim=1)
    return F.nll_loss(A, y)


def mse_rows(v):
    X, Y, W1, b1, W2, b2 = v.data(6, 3), v.data(6, 2), v.leaf(3, 5), v.leaf(5), v.leaf(5, 2), v.leaf(2)
    Z1 = X @ W1 + b1
    A1 = te.sigmoid(Z1)
    Yhat = A1 @ W2 + b2
    return ((Yhat - Y) ** 2).mean()


def linreg(v):
    X, y, w, b = v.data(8, 3), v.data(8), v.leaf(3), te.tensor(0.3, dtype=te.float64, requires_grad=True)
    yhat = X @ w + b
    e = yhat - y
    return (e**2).mean()


def logreg_l2(v):
    X, y, w, b = v.data(8, 3), v.coins(8, 1), v.leaf(3, 1), v.leaf(1)
    z = X @ w + b
    a = te.sigmoid(z)
    return -(y * te.log(a) + (1 - y) * te.log(1 - a)).mean() + 0.1 / 2 * (w**2).sum()


def deep(v):
    X, Y = v.data(3, 6), v.coins(1, 6)
    W1, b1, W2, b2, W3, b3 = v.leaf(3, 4), v.leaf(4, 1), v.leaf(4, 4), v.leaf(4, 1), v.leaf(4, 1), v.leaf(1, 1)
    Z1 = W1.T @ X + b1
    A1 = te.relu(Z1)
    Z2 = W2.T @ A1 + b2
    A2 = te.tanh(Z2)
    Z3 = W3.T @ A2 + b3
    A3 = te.sigmoid(Z3)
    return -(Y * te.log(A3) + (1 - Y) * te.log(1 - A3)).mean()


def half_mse(v):
    X, Y, W1, W2 = v.data(3, 6), v.data(2, 6), v.leaf(3, 4), v.leaf(4, 2)
    m = 6
    Z1 = W1.T @ X
    A1 = te.tanh(Z1)
    Yh = W2.T @ A1
    return ((Yh - Y) ** 2).sum() / (2 * m)


def sum_loss(v):
    X, Y, W, b = v.data(6, 3), v.data(6, 2), v.leaf(3, 2), v.leaf(2)
    Z = X @ W + b
    return ((Z - Y) ** 2).sum()


def softplus_net(v):
    X, Y, W1, b1, W2 = v.data(6, 3), v.data(6, 1), v.leaf(3, 4), v.leaf(4), v.leaf(4, 1)
    Z1 = X @ W1 + b1
    A1 = F.softplus(Z1)
    O = A1 @ W2
    return (O - Y).abs().mean()


def attn(v):
    X, Wq, Wk, Wv = v.data(5, 4), v.leaf(4, 3), v.leaf(4, 3), v.leaf(4, 3)
    Q = X @ Wq
    K = X @ Wk
    V = X @ Wv
    S = Q @ K.T / np.sqrt(3)
    A = te.softmax(S, dim=1)
    O = A @ V
    return (O**2).mean()


def residual(v):
    X, W, b = v.data(6, 3), v.leaf(3, 3), v.leaf(3)
    Z = X @ W + b
    H = X + te.tanh(Z)
    return (H**2).mean()


def shared(v):
    X, W = v.data(6, 3), v.leaf(3, 3)
    A = te.tanh(X @ W)
    B = te.tanh(A @ W)
    return (B**2).mean()


# fmt: off
RIGHT = [
    (softmax_cols, "dZ2=P-Y; dW2=A1@dZ2.T/m; db2=dZ2.sum(1,keepdims=True)/m; dA1=W2@dZ2; dZ1=dA1*(Z1>0); "
     "dW1=X@dZ1.T/m; db1=dZ1.sum(1,keepdims=True)/m"),
    (softmax_cols, "dZ2=(P-Y)/m; dW2=(dZ2@A1.T).T; db2=dZ2@np.ones((6,1)); dA1=W2.dot(dZ2); "
     "dZ1=np.where(Z1>0,dA1,0); dW1=np.dot(X,dZ1.T)"),
    (softmax_cols, "dZ2=(P-Y)/Y.shape[1]; dW2=np.einsum('im,jm->ij',A1,dZ2); dZ1=(W2@dZ2)*np.heaviside(Z1,0); "
     "dW1=np.tensordot(X,dZ1,axes=(1,1))"),
    (softmax_cols, "dP=-Y/P/m; dZ2=P*(dP-(dP*P).sum(0,keepdims=True)); dW2=A1@dZ2.T"),
    (rows_ce, "P=np.exp(Z2)/np.exp(Z2).sum(1,keepdims=True); dZ2=P.copy(); dZ2[range(6),y]-=1; dZ2/=6; "
     "dW2=A1.T@dZ2; db2=dZ2.sum(0); dA1=dZ2@W2.T; dZ1=dA1*(1-np.tanh(Z1)**2); dW1=X.T@dZ1; db1=dZ1.sum(axis=0)"),
    (rows_ce, "dZ2=P-np.eye(3)[y]; dW2=A1.T@dZ2/m; db2=np.mean(dZ2,axis=0); dA1=dZ2@W2.T; "
     "dZ1=dA1/np.cosh(Z1)**2; dW1=X.T@dZ1/m; db1=dZ1.mean(0)"),
    (rows_nll, "dA=-np.eye(3)[y]/6; dZ=dA-np.exp(A)*dA.sum(1,keepdims=True); dW=X.T@dZ; db=dZ.sum(0)"),
    (rows_nll, "dZ=np.exp(A)-np.eye(3)[y]; dW=X.T@dZ/6; db=dZ.mean(0)"),
    (mse_rows, "dYhat=2*(Yhat-Y)/Yhat.size; dW2=A1.T@dYhat; db2=dYhat.sum(0); dA1=dYhat@W2.T; dZ1=dA1*A1*(1-A1); "
     "dW1=X.T@dZ1; db1=dZ1.sum(0)"),
    (mse_rows, "dYhat=2*(Yhat-Y); dW2=A1.T@dYhat/12; dA1=dYhat@W2.T; dZ1=dA1*np.exp(-Z1)/(1+np.exp(-Z1))**2; "
     "dW1=1/12*X.T@dZ1"),
    (mse_rows, "dYhat=-2/m*(Y-Yhat); dW2=np.matmul(A1.T,dYhat); db2=np.ones(6)@dYhat"),
    (linreg, "dyhat=2/8*(yhat-y); dw=X.T@dyhat; db=dyhat.sum()"),
    (linreg, "dw=2*X.T@(yhat-y)/8; db=2*np.mean(yhat-y)"),
    (linreg, "de=2*e; dw=1/m*de@X; db=np.mean(de)"),
    (linreg, "dw=2/len(y)*((X@w+b-y)[:,None]*X).sum(0)"),
    (logreg_l2, "dz=a-y; dw=X.T@dz/m+0.1*w; db=dz.mean(0)"),
    (logreg_l2, "dz=(a-y)/m; dw=X.T@dz+0.1*w; db=dz.sum(0)"),
    (logreg_l2, "da=-(y/a)+(1-y)/(1-a); dz=da*a*(1-a); dw=np.dot(X.T,dz)/8+0.1*w; db=dz.sum()/8"),
    (deep, "dZ3=A3-Y; dW3=A2@dZ3.T/6; db3=dZ3.sum(1,keepdims=True)/6; dA2=W3@dZ3; dZ2=dA2*(1-A2**2); "
     "dW2=A1@dZ2.T/6; dA1=W2@dZ2; dZ1=dA1.copy(); dZ1[Z1<=0]=0; dW1=X@dZ1.T/6; "
     "db1=dZ1.sum(axis=1,keepdims=True)/6"),
    (deep, "dZ3=(A3-Y)/6; dW3=A2@dZ3.T; dZ2=W3@dZ3*(1-A2)*(1+A2); dW2=A1@dZ2.T; db2=dZ2.sum(1)[:,None]; "
     "dZ1=(W2@dZ2)*(A1>0); dW1=X@dZ1.T; db1=dZ1.sum(1).reshape(-1,1)"),
    (deep, "dZ3=A3-Y; dW3=np.mean(A2*dZ3,axis=1,keepdims=True)"),
    (half_mse, "dYh=(Yh-Y)/m; dW2=A1@dYh.T; dA1=W2@dYh; dZ1=dA1*(1-A1**2); dW1=X@dZ1.T"),
    (half_mse, "dYh=Yh-Y; dW2=A1@dYh.T/m; dA1=W2@dYh; dZ1=dA1*(1-A1*A1); dW1=X@dZ1.T/m"),
    (sum_loss, "dZ=2*(Z-Y); dW=X.T@dZ; db=dZ.sum(0)"),
    (sum_loss, "dZ=2*Z-2*Y; dW=2*X.T@(Z-Y); db=np.sum(2*(Z-Y),axis=0)"),
    (softplus_net, "dO=np.sign(O-Y)/6; dW2=A1.T@dO; dA1=dO@W2.T; dZ1=dA1/(1+np.exp(-Z1)); dW1=X.T@dZ1; "
     "db1=dZ1.sum(0)"),
    (softplus_net, "dO=np.where(O>Y,1,-1); dW2=A1.T@dO/6; dZ1=dO@W2.T*(1-np.exp(-A1)); dW1=X.T@dZ1/6"),
    (attn, "dO=2*O/15; dV=A.T@dO; dWv=X.T@dV; dA=dO@V.T; dS=A*(dA-(dA*A).sum(1,keepdims=True)); "
     "dQ=dS@K/np.sqrt(3); dK=dS.T@Q/np.sqrt(3); dWq=X.T@dQ; dWk=X.T@dK"),
    (attn, "dO=2*O; dV=A.T@dO; dWv=X.T@dV/m; dA=dO@V.T; dS=A*dA-A*np.sum(A*dA,axis=1,keepdims=True); "
     "dQ=dS@K*3**-0.5; dWq=X.T@dQ/m"),
    (residual, "dH=2*H/18; dZ=dH*(1-(H-X)**2); dW=X.T@dZ; db=dZ.sum(0)"),
    (residual, "dH=2*H; dZ=dH*(1-np.tanh(Z)**2); dW=X.T@dZ/18; db=dZ.sum(0)/18"),
    (shared, "dB=2*B/18; dW=A.T@(dB*(1-B**2))+X.T@(((dB*(1-B**2))@W.T)*(1-A**2))"),
    (shared, "dB=2*B; dZb=dB*(1-B**2); dA=dZb@W.T; dW=(A.T@dZb+X.T@(dA*(1-A**2)))/18"),
]
WRONG = [
    (softmax_cols, "dZ2=P-Y; dW2=A1@dZ2.T", "dW2", "missing 1/m"),
    (softmax_cols, "dZ2=Y-P; dW2=A1@dZ2.T/m", "dZ2", "sign"),
    (softmax_cols, "dZ2=(P-Y)*P*(1-P); dW2=A1@dZ2.T/m", "dZ2", "g' twice"),
    (softmax_cols, "dZ2=P-Y; db2=dZ2.sum(0,keepdims=True)/m", "db2", "wrong axis"),
    (softmax_cols, "dZ2=P-Y; dA1=W2@dZ2; dZ1=dA1*A1; dW1=X@dZ1.T/m", "dZ1", "g for g'"),
    (softmax_cols, "dZ2=P-Y; dA1=W2.T@dZ2", "dA1", "transposed"),
    (softmax_cols, "dZ2=P-Y; dA1=W2@dZ2; dZ1=dA1*(Z1>=0)*1.5", "dZ1", "constant factor"),
    (rows_ce, "dZ2=(P-np.eye(3)[y])/6; dW2=dZ2.T@A1", "dW2", "transposed"),
    (rows_ce, "dZ2=(P-np.eye(3)[y])/6; db2=dZ2.mean(0)", "db2", "sum against mean"),
    (rows_ce, "dZ2=(P-np.eye(3)[y])/6; dA1=dZ2@W2.T; dZ1=dA1*(1-A1)", "dZ1", "missing factor"),
    (rows_ce, "dZ2=(P-np.eye(3)[y])/6; dA1=dZ2@W2.T; dZ1=dA1*(1-Z1**2)", "dZ1", "g' of the wrong quantity"),
    (rows_ce, "dZ2=P; dW2=A1.T@dZ2/6", "dZ2", "missing term"),
    (rows_ce, "dZ2=(P-np.eye(3)[y])/6; dW2=A1.T@dZ2/6", "dW2", "doubled 1/m"),
    (rows_nll, "dZ=(A-np.eye(3)[y])/6; dW=X.T@dZ", "dZ", "wrong value"),
    (rows_nll, "dZ=np.exp(A)/6; dW=X.T@dZ", "dZ", "missing term"),
    (rows_nll, "dA=np.eye(3)[y]/6; dZ=dA-np.exp(A)*dA.sum(1,keepdims=True)", "dA", "sign"),
    (mse_rows, "dYhat=(Yhat-Y)/12; dW2=A1.T@dYhat", "dYhat", "constant factor"),
    (mse_rows, "dYhat=2*(Yhat-Y)/6; dW2=A1.T@dYhat", "dYhat", "constant factor"),
    (mse_rows, "dYhat=2*(Yhat-Y)/12; dA1=dYhat@W2.T; dZ1=dA1*(1-A1**2)", "dZ1", "g' of another activation"),
    (mse_rows, "dYhat=2*(Yhat-Y)/12; dA1=dYhat@W2.T; dZ1=dA1*A1*(1-A1); dW1=X.T@dA1", "dW1", "wrong value"),
    (mse_rows, "dYhat=2*(Yhat-Y)/12; db2=dYhat.sum()", "db2", "wrong axis"),
    (mse_rows, "dYhat=2*(Y-Yhat)/12; dW2=A1.T@dYhat; dA1=dYhat@W2.T", "dYhat", "sign"),
    (linreg, "dw=X.T@(yhat-y)/8", "dw", "constant factor"),
    (linreg, "dw=2*X.T@(yhat-y)", "dw", "missing 1/m"),
    (linreg, "dw=2*X.T@(y-yhat)/8", "dw", "sign"),
    (linreg, "dyhat=2*(yhat-y)/8; db=dyhat.mean()", "db", "sum against mean"),
    (logreg_l2, "dz=(a-y)/m; dw=X.T@dz", "dw", "forgotten regularisation"),
    (logreg_l2, "dz=(a-y)/m; dw=X.T@dz+2*0.1*w", "dw", "constant factor"),
    (logreg_l2, "dz=(a-y)/m; dw=X.T@dz-0.1*w", "dw", "sign"),
    (logreg_l2, "dz=(a-y)/m; dw=X.T@dz+0.1*w/m", "dw", "doubled 1/m"),
    (logreg_l2, "dz=a-y; dw=X.T@dz+0.1*w", "dw", "missing 1/m"),
    (logreg_l2, "dz=(a-y)*a*(1-a)/m; dw=X.T@dz+0.1*w", "dz", "g' twice"),
    (deep, "dZ3=A3-Y; dA2=W3@dZ3; dZ2=dA2*(Z2>0); dW2=A1@dZ2.T/6", "dZ2", "g' of another activation"),
    (deep, "dZ3=A3-Y; dA2=W3@dZ3; dZ2=dA2*(1-A2**2); dA1=W2.T@dZ2; dZ1=dA1*(Z1>0)", "dA1", "transposed"),
    (deep, "dZ3=A3-Y; dA2=W3@dZ3; dZ2=dA2*(1-A2**2); dA1=W2@dZ2; dZ1=dA1; dW1=X@dZ1.T/6", "dZ1", "missing g'"),
    (deep, "dZ3=A3-Y; dW3=A3@dZ3.T/6", "dW3", "unknown"),
    (half_mse, "dYh=2*(Yh-Y)/m; dW2=A1@dYh.T", "dYh", "constant factor"),
    (half_mse, "dYh=(Yh-Y)/m; dA1=W2@dYh; dZ1=dA1*(1-A1**2); dW1=X@dZ1.T/m", "dW1", "doubled 1/m"),
    (sum_loss, "dZ=2*(Z-Y)/6; dW=X.T@dZ", "dZ", "constant factor"),
    (sum_loss, "dZ=2*(Z-Y); db=dZ.sum(1)", "db", "wrong axis"),
    (softplus_net, "dO=np.sign(O-Y)/6; dA1=dO@W2.T; dZ1=dA1*A1*(1-A1)", "dZ1", "g' of another activation"),
    (attn, "dO=2*O/15; dA=dO@V.T; dS=A*(1-A)*dA", "dS", "g' of another activation"),
    (attn, "dO=2*O/15; dA=dO@V.T; dS=A*(dA-(dA*A).sum(0,keepdims=True))", "dS", "wrong axis"),
    (attn, "dO=2*O/15; dA=dO@V.T; dS=A*(dA-(dA*A).sum(1,keepdims=True)); dQ=dS@K; "
     "dWq=X.T@dQ", "dQ", "constant factor"),
    (residual, "dH=2*H/18; dZ=dH*(1-H**2); dW=X.T@dZ", "dZ", "g' of the wrong quantity"),
    (shared, "dB=2*B/18; dW=A.T@(dB*(1-B**2))", "dW", "missing term"),
]
# fmt: on


def as_arrays(loss, code):
    """What the lines compute, of the gradients that the explanation knows."""
    e = explain(loss)
    scope = {**known_values(e, {}), "np": np}
    exec(code.replace("; ", "\n"), scope)
    known = {line.name for line in e.backward} | {f"d{other}" for other in aliases(e)}
    return {name: np.asarray(value) for name, value in scope.items() if name in known}


@pytest.mark.parametrize(("network", "code"), RIGHT)
def test_right_answers_are_right(network, code, rng):
    """In either scale, by einsum or np.mean, cancelled or not; as lines, arrays, a function, float32."""
    loss = network(Values(rng))
    arrays = as_arrays(loss, code)
    for given in (
        code.replace("; ", "\n"),
        arrays,
        lambda: arrays,
        {name: value.astype("f4") for name, value in arrays.items()},
    ):
        report = check_by_hand(loss, given)
        assert report.ok, str(report)


@pytest.mark.parametrize(("network", "code", "line", "kind"), WRONG)
def test_mistakes_are_found(network, code, line, kind, rng):
    """The first wrong line and what was done there; as lines of NumPy and, where they run, as arrays."""
    loss = network(Values(rng))
    given = [code.replace("; ", "\n")]
    with contextlib.suppress(ValueError):  # shapes that don't fit: then only lines can be judged
        given.append(as_arrays(loss, code))
    for gradients in given:
        report = check_by_hand(loss, gradients)
        assert not report.ok
        assert report.first == line, str(report)
        assert report[line].mistake.kind == kind, str(report)
