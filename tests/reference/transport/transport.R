# Results carried to another population, in base R, survival and metafor: for tests/agreement of transport.
# Run here: Rscript transport.R   (writes source.csv, target.csv, studies.csv and transport.json)
# Weights by optim, standard errors by stacked estimating equations with numerical derivatives: nothing is
# shared with the program under test.
suppressMessages({library(survival); library(metafor); library(jsonlite)})
set.seed(20261120); options(warn = 1)
n <- 320; m <- 450
make <- function(n, age, up, black) {
  z <- rnorm(n)
  d <- data.frame(age = round(age + 10 * (0.3 * z + sqrt(1 - 0.09) * rnorm(n)), 1),
                  proteinuria = round(exp(up + 0.6 * z), 3), black = rbinom(n, 1, black))
  d
}
s <- make(n, 31, -0.2, 0.15); s$arm <- rbinom(n, 1, 0.5)
t <- make(m, 36, 0.1, 0.40)
lp <- with(s, -0.9 + 0.4 * proteinuria + 0.02 * (age - 31) + arm * (-0.8 + 0.7 * black))
s$flare <- rbinom(n, 1, plogis(lp))
s$time <- round(rexp(n, 0.5 * exp(lp)), 2) + 0.01
s$event <- as.integer(s$time < 2); s$time <- pmin(s$time, 2)
s$years <- round(runif(n, 0.5, 3), 2); s$count <- rpois(n, exp(lp) * s$years)
write.csv(s, "source.csv", row.names = FALSE); write.csv(t, "target.csv", row.names = FALSE)
covs <- c("age", "proteinuria", "black")
goal <- colMeans(t[, covs])
out <- list(made_with = list(R = R.version.string, survival = as.character(packageVersion("survival")),
                             metafor = as.character(packageVersion("metafor"))))

jacobian <- function(f, x) {           # central differences with Richardson's extrapolation
  d <- function(h) do.call(cbind, lapply(seq_along(x), function(j) { e <- replace(numeric(length(x)), j, h * max(1, abs(x[j])))
    (f(x + e) - f(x - e)) / (2 * h * max(1, abs(x[j]))) }))
  (4 * d(5e-5) - d(1e-4)) / 3
}
sandwich_of <- function(psi, theta) {  # psi(theta): rows people, columns equations
  A <- jacobian(function(p) colSums(psi(p)), theta); B <- crossprod(psi(theta)); Ai <- solve(A)
  Ai %*% B %*% t(Ai)
}
delta <- function(f, p, V) { g <- jacobian(f, p); sqrt(drop(g %*% V %*% t(g))) }
effects <- list(RR = function(p) log(p[1] / p[2]), OR = function(p) qlogis(p[1]) - qlogis(p[2]),
                RD = function(p) p[1] - p[2])

# MAIC ------------------------------------------------------------------------------------------
maic_alpha <- function(X) {
  Q <- function(a) sum(exp(X %*% a)); g <- function(a) drop(crossprod(X, exp(X %*% a)))
  a <- optim(rep(0, ncol(X)), Q, g, method = "BFGS", control = list(reltol = 1e-15, maxit = 5000))$par
  for (i in 1:20) a <- a - solve(crossprod(X, X * drop(exp(X %*% a))), g(a))  # polish: optim stops early
  a
}
scale_by <- apply(s[, covs], 2, sd)
X <- scale(as.matrix(s[, covs]), center = goal, scale = scale_by)
X2 <- cbind(X, scale(as.matrix(s[, c("age", "proteinuria")]^2),
                     center = colMeans(t[, c("age", "proteinuria")])^2 +
                       apply(t[, c("age", "proteinuria")], 2, sd)^2,
                     scale = apply(s[, c("age", "proteinuria")]^2, 2, sd)))
maic <- function(X) {
  a <- maic_alpha(X); w <- drop(exp(X %*% a)); k <- ncol(X)
  p <- c(weighted.mean(s$flare[s$arm == 1], w[s$arm == 1]), weighted.mean(s$flare[s$arm == 0], w[s$arm == 0]))
  psi <- function(q) { w <- drop(exp(X %*% q[1:k]))
    cbind(w * X, w * s$arm * (s$flare - q[k + 1]), w * (1 - s$arm) * (s$flare - q[k + 2])) }
  V <- sandwich_of(psi, c(a, p))[k + 1:2, k + 1:2]
  r <- sapply(effects, function(f) c(f(p), delta(f, p, V)))
  list(weights = w * n / sum(w), ess = sum(w)^2 / sum(w^2), means = p, effects = as.list(as.data.frame(r)))
}
out$maic <- maic(X); out$maic_moments <- maic(X2)
r <- with(list(w = out$maic$weights), {
  a <- maic_alpha(X); k <- ncol(X)
  rate <- c(sum((w * s$count)[s$arm == 1]) / sum((w * s$years)[s$arm == 1]),
            sum((w * s$count)[s$arm == 0]) / sum((w * s$years)[s$arm == 0]))
  psi <- function(q) { w <- drop(exp(X %*% q[1:k]))
    cbind(w * X, w * s$arm * (s$count - q[k + 1] * s$years), w * (1 - s$arm) * (s$count - q[k + 2] * s$years)) }
  V <- sandwich_of(psi, c(a, rate))[k + 1:2, k + 1:2]
  c(log(rate[1] / rate[2]), delta(function(p) log(p[1] / p[2]), rate, V))
})
out$maic_rate <- r
# Hazard ratio: Cox's weighted score as one more estimating equation; the weights' part by refitting.
cox <- function(a, ties) { s$w <- drop(exp(X %*% a)); s$w <- s$w * n / sum(s$w)
  coxph(Surv(time, event) ~ arm, s, weights = w, ties = ties, robust = TRUE,
        control = coxph.control(eps = 1e-13, toler.chol = 1e-15, iter.max = 50)) }
a <- maic_alpha(X); wX <- X * drop(exp(X %*% a))
IFa <- -wX %*% solve(crossprod(X, wX))
out$maic_hr <- lapply(c(efron = "efron", breslow = "breslow"), function(ties) {
  f <- cox(a, ties)
  moved <- drop(jacobian(function(q) coef(cox(q, ties)), a))
  IF <- residuals(f, "dfbeta", weighted = TRUE) + drop(IFa %*% moved)
  c(unname(coef(f)), sqrt(sum(IF^2)), sqrt(drop(f$var)))  # the last: weights taken as fixed
})

# Inverse odds ----------------------------------------------------------------------------------
both <- rbind(s[, covs], t[, covs]); S <- rep(1:0, c(n, m)); Z <- cbind(1, scale(as.matrix(both)))
g <- glm(S ~ Z - 1, family = binomial, control = list(epsilon = 1e-14))
b <- coef(g); y <- c(s$flare, rep(0, m)); arm <- c(s$arm, rep(0, m))
psi <- function(q) { k <- ncol(Z); e <- plogis(drop(Z %*% q[1:k])); w <- S * (1 - e) / e
  cbind(Z * (S - e), w * arm * (y - q[k + 1]), w * (1 - arm) * (y - q[k + 2])) }
w <- ((1 - fitted(g)) / fitted(g))[1:n]
p <- c(weighted.mean(s$flare[s$arm == 1], w[s$arm == 1]), weighted.mean(s$flare[s$arm == 0], w[s$arm == 0]))
V <- sandwich_of(psi, c(b, p))[ncol(Z) + 1:2, ncol(Z) + 1:2]
out$iow <- list(weights = w * n / sum(w), means = p,
                effects = as.list(as.data.frame(sapply(effects, function(f) c(f(p), delta(f, p, V))))))

# STC by g-computation over the target's patients --------------------------------------------------
stc <- function(formula, family, off = rep(0, n)) {
  s$off <- off
  f <- glm(formula, family, s, offset = off, control = list(epsilon = 1e-14, maxit = 100))
  D <- lapply(1:0, function(a) model.matrix(delete.response(terms(f)), transform(t, arm = a)))
  inv <- family$linkinv
  MM <- model.matrix(f); mu <- fitted(f); Y <- f$y
  Ai <- solve(crossprod(MM, MM * family$mu.eta(drop(MM %*% coef(f)) + off)))
  V <- Ai %*% crossprod(MM * (Y - mu)) %*% Ai
  means <- function(b) sapply(D, function(d) mean(inv(drop(d %*% b))))
  list(p = means(coef(f)), b = coef(f), V = V, means = means)
}
f <- stc(flare ~ arm * (age + proteinuria + black), binomial())
out$stc <- list(means = f$p, effects = as.list(as.data.frame(sapply(effects, function(e)
  c(e(f$p), delta(function(b) e(f$means(b)), f$b, f$V))))))
f <- stc(count ~ arm * (age + proteinuria + black), poisson(), log(s$years))
e <- function(p) log(p[1] / p[2]); out$stc_rate <- c(e(f$p), delta(function(b) e(f$means(b)), f$b, f$V))
fit <- coxph(Surv(time, event) ~ arm * (age + proteinuria + black), s, ties = "breslow",
             control = coxph.control(eps = 1e-13, toler.chol = 1e-15, iter.max = 50))
H <- suppressWarnings(basehaz(fit, centered = FALSE)); tau <- max(s$time[s$event == 1]); H0 <- max(H$hazard[H$time <= tau])
Sa <- sapply(1:0, function(a) mean(exp(-H0 * exp(drop(model.matrix(
  ~ arm * (age + proteinuria + black), transform(t, arm = a))[, -1] %*% coef(fit))))))
out$stc_hr <- list(horizon = tau, estimate = log(log(Sa[1]) / log(Sa[2])), risks = 1 - Sa)

# Network meta-regression: two-arm and one three-arm study, contrasts with A, common slope ----------
set.seed(7)
k <- 14
st <- data.frame(study = rep(sprintf("S%02d", 1:k), each = 2), treatment = c(rbind("A", rep(c("B", "C"), k / 2))))
st <- rbind(st, data.frame(study = "S15", treatment = c("A", "B", "C")))
xs <- setNames(round(runif(15, 0.05, 0.6), 2), sprintf("S%02d", 1:15))
st$black <- xs[st$study]; st$n <- sample(60:220, nrow(st), TRUE)
dev <- setNames(rnorm(15, 0, 0.15), names(xs))
eta <- -1 + 0.2 * rnorm(15)[match(st$study, names(xs))] +
  ifelse(st$treatment == "A", 0, c(B = -0.6, C = -0.3)[st$treatment] + 1.1 * (st$black - 0.3) + dev[st$study])
st$events <- rbinom(nrow(st), st$n, plogis(eta)); write.csv(st, "studies.csv", row.names = FALSE)
cn <- do.call(rbind, lapply(split(st, st$study), function(d) { a <- d[1, ]; b <- d[-1, ]
  data.frame(study = b$study, treatment = b$treatment, black = b$black,
             y = log(b$events / (b$n - b$events)) - log(a$events / (a$n - a$events)),
             own = 1 / b$events + 1 / (b$n - b$events), shared = 1 / a$events + 1 / (a$n - a$events)) }))
V <- outer(cn$study, cn$study, "==") * cn$shared + diag(cn$own)
cn$B <- (cn$treatment == "B") * 1; cn$C <- (cn$treatment == "C") * 1; cn$x <- cn$black - 0.5
cn$arm <- paste(cn$study, cn$treatment)
ctl <- list(optimizer = "nlminb", rel.tol = 1e-12)
fit <- rma.mv(y, V, mods = ~ B + C + x - 1, random = ~ treatment | study, struct = "CS", rho = 0.5, data = cn,
              control = ctl)
out$nmr <- list(target = 0.5, estimate = unname(coef(fit)), se = unname(fit$se), tau2 = fit$tau2)
write_json(out, "transport.json", digits = NA, auto_unbox = TRUE)
