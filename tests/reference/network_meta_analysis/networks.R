# Networks by metafor and by plain linear algebra in base R: an independent second way to every number.
# Run: Rscript networks.R FOLDER_OF_META_ANALYSIS_DATA > networks.json   (metafor 3.8-1, R 4.2.2)
#
# Contrast-based models: rma.mv on contrasts against each study's first arm, with the exact covariance of
# contrasts that share an arm, and random effects by contrast with correlation 1/2 (method ML, REML).  The
# moment estimator, Q and the design-by-treatment parts are written out with dense matrices and solve(): no
# rotation, no Laplacian.  Counts: rma.glmm (UM.FS) for two treatments, lme4 for many, and optim() on the
# conditional likelihood, whose normalizing sum is enumerated.
suppressPackageStartupMessages({ library(metafor); library(lme4) })
folder <- commandArgs(TRUE)[1]
get <- function(name) read.csv(file.path(folder, paste0("dat.", name, ".csv")), stringsAsFactors = FALSE)
num <- function(x) ifelse(is.na(x), "null", formatC(x, digits = 15, format = "g"))
vec <- function(x) paste0("[", paste(num(x), collapse = ", "), "]")
js <- function(l) paste0("{", paste(sprintf("\"%s\": %s", names(l), unlist(l)), collapse = ", "), "}")

arms <- list(
  senn2013 = with(get("senn2013"), data.frame(study, t = treatment, mean = mi, sd = sdi, n = ni)),
  hasselblad1998 = with(get("hasselblad1998"), data.frame(study, t = trt, e = xi, n = ni)),
  dong2013 = with(get("dong2013"), data.frame(study = id, t = treatment, e = death, n = randomized)),
  woods2010 = with(get("woods2010"), data.frame(study = author, t = treatment, e = r, n = N)),
  dogliotti2014 = with(get("dogliotti2014"), data.frame(study = id, t = treatment, e = stroke, n = total)),
  gurusamy2011 = with(get("gurusamy2011"), data.frame(study, t = treatment, e = death, n = n)),
  linde2016 = with(get("linde2016"), data.frame(study = id, t = int, e = resp, n = n)))
f <- get("franchini2012")
arms$franchini2012 <- do.call(rbind, lapply(1:3, function(k) {
  d <- data.frame(study = f$Study, t = f[[paste0("Treatment", k)]], mean = f[[paste0("y", k)]],
                  sd = f[[paste0("sd", k)]], n = f[[paste0("n", k)]])
  d[!is.na(d$t) & d$t != "", ] }))
# one row a study and treatment; some studies give a treatment in two arms (other doses, say): counts add up
for (k in names(arms)) { d <- arms[[k]]; d$t <- trimws(d$t); d$study <- as.character(d$study)
  if (!is.null(d$e)) d <- aggregate(cbind(e, n) ~ study + t, d, sum)
  d <- d[order(d$study, d$t), ]; several <- names(which(table(d$study) > 1)); arms[[k]] <- d[d$study %in% several, ] }

# Arm effects and variances; 0.5 to every cell of studies with an empty cell; studies without events left out
effects <- function(d, sm) {
  if (is.null(d$e)) { d$y <- d$mean; d$v <- d$sd^2 / d$n; return(d) }
  keep <- ave(d$e, d$study, FUN = sum) > 0 & (sm != "OR" | ave(d$n - d$e, d$study, FUN = sum) > 0)
  d <- d[keep, ]
  add <- 0.5 * ave(as.numeric(d$e == 0 | d$e == d$n), d$study, FUN = max)
  e <- d$e + add; n <- d$n + 2 * add
  if (sm == "OR") { d$y <- log(e / (n - e)); d$v <- 1 / e + 1 / (n - e) }
  else { d$y <- log(e / n); d$v <- 1 / e - 1 / n }
  d
}
contrasts_of <- function(d) {
  trts <- sort(unique(d$t), method = "radix"); out <- list(); V <- list()
  for (s in unique(d$study)) { a <- d[d$study == s, ]; m <- nrow(a)
    X <- matrix(0, m - 1, length(trts), dimnames = list(NULL, trts))
    for (j in 2:m) { X[j - 1, a$t[j]] <- 1; X[j - 1, a$t[1]] <- -1 }
    out[[s]] <- list(y = a$y[-1] - a$y[1], X = X, design = paste(a$t, collapse = ":"), study = rep(s, m - 1), t = a$t[-1])
    V[[s]] <- a$v[1] + diag(a$v[-1], m - 1) }
  list(y = unlist(lapply(out, `[[`, "y")), X = do.call(rbind, lapply(out, `[[`, "X")), V = as.matrix(bldiag(V)),
       study = unlist(lapply(out, `[[`, "study")), t = unlist(lapply(out, `[[`, "t")), trts = trts,
       design = rep(sapply(out, `[[`, "design"), sapply(out, function(o) length(o$y))))
}
gls <- function(y, X, V) { W <- solve(V); S <- solve(t(X) %*% W %*% X); b <- drop(S %*% t(X) %*% W %*% y)
  r <- y - drop(X %*% b); list(b = b, S = S, Q = drop(t(r) %*% W %*% r), df = length(y) - ncol(X)) }

report <- function(name, sm) {
  c <- contrasts_of(effects(arms[[name]], sm)); X <- c$X[, -1, drop = FALSE]
  D <- outer(c$study, c$study, "=="); D <- D * 0.5; diag(D) <- 1
  common <- gls(c$y, X, c$V); W <- solve(c$V)
  P <- W - W %*% X %*% solve(t(X) %*% W %*% X) %*% t(X) %*% W
  dl <- max(0, (common$Q - common$df) / sum(P * D))
  random <- gls(c$y, X, c$V + dl * D)
  dat <- data.frame(y = c$y, study = c$study, t = factor(seq_along(c$y)))
  dat$row <- ave(seq_along(c$y), c$study, FUN = seq_along)
  mv <- function(m) rma.mv(c$y, c$V, mods = X, intercept = FALSE, random = ~ row | study, struct = "CS", rho = 0.5,
    data = dat, method = m, control = list(optimizer = "optim", method = "BFGS", reltol = 1e-16, maxit = 1000))
  reml <- mv("REML"); ml <- mv("ML")
  # design-by-treatment: every design its own effects
  within <- function(tau2) { V <- c$V + tau2 * D; sum(sapply(unique(c$design), function(d) { i <- c$design == d
    Z <- sapply(unique(c$t[i]), function(u) as.numeric(c$t[i] == u)); Z <- matrix(Z, sum(i))
    gls(c$y[i], Z, V[i, i, drop = FALSE])$Q })) }
  dfw <- sum(sapply(unique(c$design), function(d) { i <- c$design == d; sum(i) - length(unique(c$t[i])) }))
  Z <- model.matrix(~ paste(c$design, c$t) - 1); PZ <- W - W %*% Z %*% solve(t(Z) %*% W %*% Z) %*% t(Z) %*% W
  tw <- if (dfw > 0) max(0, (within(0) - dfw) / sum(PZ * D)) else NA
  qb <- if (is.na(tw)) NA else gls(c$y, X, c$V + tw * D)$Q - within(tw)
  # node splits of pairs with both kinds of evidence: direct evidence by fixed tau2, the rest back-calculated
  T <- length(c$trts); b <- c(0, random$b); S <- rbind(0, cbind(0, random$S)); e <- effects(arms[[name]], sm); sp <- list()
  for (i in 1:(T - 1)) for (j in (i + 1):T) { both <- intersect(e$study[e$t == c$trts[i]], e$study[e$t == c$trts[j]])
    if (!length(both)) next
    a <- e[e$t == c$trts[i], ]; k <- e[e$t == c$trts[j], ]; a <- a[match(both, a$study), ]; k <- k[match(both, k$study), ]
    w <- 1 / (a$v + k$v + dl); dir <- sum(w * (a$y - k$y)) / sum(w); net <- b[i] - b[j]
    vn <- S[i, i] + S[j, j] - 2 * S[i, j]; p <- vn * sum(w)
    if (p < 1 - 5e-4) { ind <- (net - p * dir) / (1 - p); vi <- vn / (1 - p); z <- (dir - ind) / sqrt(1 / sum(w) + vi)
      sp[[length(sp) + 1]] <- c(i, j, p, dir, ind, sqrt(vi), 2 * pnorm(-abs(z))) } }
  # leaving the first study out
  k <- c$study != unique(c$study)[1]; conn <- qr(X[k, ])$rank == ncol(X)
  loo <- if (conn) { cc <- gls(c$y[k], X[k, ], c$V[k, k]); Wk <- solve(c$V[k, k]); Xk <- X[k, ]
    Pk <- Wk - Wk %*% Xk %*% solve(t(Xk) %*% Wk %*% Xk) %*% t(Xk) %*% Wk
    tk <- max(0, (cc$Q - cc$df) / sum(Pk * D[k, k])); c(tk, gls(c$y[k], Xk, c$V[k, k] + tk * D[k, k])$b) } else NA
  js(list(treatments = paste0("[", paste0("\"", c$trts, "\"", collapse = ", "), "]"), measure = paste0("\"", sm, "\""),
    common = vec(common$b), common_se = vec(sqrt(diag(common$S))), q = num(common$Q), df = num(common$df),
    tau2_DL = num(dl), random = vec(random$b), random_se = vec(sqrt(diag(random$S))),
    random_cov = vec(random$S[upper.tri(random$S)]),
    tau2_REML = num(reml$tau2), reml = vec(coef(reml)), reml_se = vec(reml$se), tau2_ML = num(ml$tau2), ml = vec(coef(ml)), ml_se = vec(ml$se),
    q_within = num(within(0)), df_within = num(dfw), tau2_within = num(tw), q_between_random = num(qb),
    splits = paste0("[", paste(sapply(sp, vec), collapse = ", "), "]"),
    first_out = paste0("\"", unique(c$study)[1], "\""), leave_first = vec(loo)))
}
out <- list()
for (k in names(arms)) for (sm in if (is.null(arms[[k]]$e)) "MD" else c("OR", "RR")) {
  r <- tryCatch(report(k, sm), error = function(e) { message(k, " ", sm, ": ", conditionMessage(e)); NULL })
  if (!is.null(r)) out[[paste(k, sm, sep = "/")]] <- r }

# Counts: two treatments by rma.glmm, many by glm and glmer with the same random effects --------------------
h <- arms$hasselblad1998; two <- names(which(tapply(h$t, h$study, function(t) setequal(t, c("no_contact", "ind_counseling")))))
a <- h[h$study %in% two & h$t == "ind_counseling", ]; b <- h[h$study %in% two & h$t == "no_contact", ]
g <- rma.glmm(ai = a$e, n1i = a$n, ci = b$e, n2i = b$n, measure = "OR", model = "UM.FS", nAGQ = 25)
# the same likelihood by integrate() and optim(), from there on
marginal <- function(p) { k <- length(a$e); tau <- abs(p[k + 2]); sum(sapply(seq_len(k), function(i) {
  f <- function(z) sapply(z, function(z) dbinom(a$e[i], a$n[i], plogis(p[i] + (p[k + 1] + tau * z) / 2), TRUE) +
    dbinom(b$e[i], b$n[i], plogis(p[i] - (p[k + 1] + tau * z) / 2), TRUE) + dnorm(z, log = TRUE))
  top <- optimize(f, c(-9, 9), maximum = TRUE, tol = 1e-10); if (!is.finite(top$objective)) return(-1e4)
  top$objective + log(integrate(function(z) exp(f(z) - top$objective), top$maximum - 6, top$maximum + 6,
                                rel.tol = 1e-11, subdivisions = 500)$value) })) }
start <- c(sapply(seq_along(a$e), function(i) mean(qlogis(c((a$e[i] + .5) / (a$n[i] + 1), (b$e[i] + .5) / (b$n[i] + 1))))), coef(g), sqrt(g$tau2))
o <- optim(start, marginal, method = "BFGS", control = list(fnscale = -1, reltol = 1e-14, maxit = 500), hessian = TRUE)
o <- optim(o$par, marginal, method = "BFGS", control = list(fnscale = -1, reltol = 1e-16, maxit = 500), hessian = TRUE)
out$glmm_two_integrated <- js(list(estimate = num(o$par[length(start) - 1]), tau2 = num(o$par[length(start)]^2), loglik = num(o$value),
  se = num(sqrt(diag(solve(-o$hessian)))[length(start) - 1])))
out$glmm_two <- js(list(estimate = num(coef(g)), se = num(g$se), tau2 = num(g$tau2), loglik = num(g$fit.stats["ll", "ML"])))
for (k in c("hasselblad1998", "dong2013", "gurusamy2011", "dogliotti2014")) { d <- arms[[k]]
  d <- d[ave(d$e, d$study, FUN = sum) > 0, ]; some <- names(which(tapply(d$e, d$t, sum) > 0))
  if (length(some) < length(unique(d$t))) next
  d$t <- factor(d$t, levels = sort(unique(d$t), method = "radix"))
  g <- glm(cbind(e, n - e) ~ study + t, binomial, d, control = glm.control(epsilon = 1e-14, maxit = 100))
  i <- grep("^t", names(coef(g))); out[[paste0("glm/", k)]] <- js(list(estimate = vec(coef(g)[i]), se = vec(sqrt(diag(vcov(g)))[i])))
  # the conditional likelihood, enumerated
  trts <- levels(d$t); st <- split(d, d$study)
  if (max(sapply(st, nrow)) > 3) next
  ll <- function(th) { th <- c(0, th); sum(sapply(st, function(s) { q <- th[as.integer(s$t)]; R <- sum(s$e)
    obs <- sum(lchoose(s$n, s$e) + q * s$e)
    if (nrow(s) == 2) { r <- max(0, R - s$n[2]):min(R, s$n[1]); all <- lchoose(s$n[1], r) + q[1] * r + lchoose(s$n[2], R - r) + q[2] * (R - r) }
    else { r <- expand.grid(0:min(R, s$n[1]), 0:min(R, s$n[2])); r <- r[R - r[, 1] - r[, 2] >= 0 & R - r[, 1] - r[, 2] <= s$n[3], ]
      r3 <- R - r[, 1] - r[, 2]; all <- lchoose(s$n[1], r[, 1]) + q[1] * r[, 1] + lchoose(s$n[2], r[, 2]) + q[2] * r[, 2] + lchoose(s$n[3], r3) + q[3] * r3 }
    m <- max(all); obs - m - log(sum(exp(all - m))) })) }
  o <- optim(rep(0, length(trts) - 1), ll, method = "BFGS", hessian = TRUE, control = list(fnscale = -1, reltol = 1e-15, maxit = 1000))
  out[[paste0("nch/", k)]] <- js(list(estimate = vec(o$par), se = vec(sqrt(diag(solve(-o$hessian)))), loglik = num(o$value)))
}
out$versions <- js(list(R = paste0("\"", R.version$version.string, "\""), metafor = paste0("\"", packageVersion("metafor"), "\"")))
cat("{\n", paste(sprintf("\"%s\": %s", names(out), unlist(out)), collapse = ",\n"), "\n}\n", sep = "")
